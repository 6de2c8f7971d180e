"""Where spans go: cassettes."""
