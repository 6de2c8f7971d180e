"""What the pytest plugin does once a test uses it: sessions for tests, what they are judged by, what is told at the end."""
