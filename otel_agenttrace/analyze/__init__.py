"""One module per analyzer: traces in, frozen reports out. Pure."""
