"""Rules a trace is held to. Trace in, findings out; pure."""
