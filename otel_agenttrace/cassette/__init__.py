"""The file of a recorded run: one span as one line of OTLP/JSON."""
