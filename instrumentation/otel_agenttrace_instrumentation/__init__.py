"""Where provider SDKs are intercepted: a tap on the HTTP clients, and a mark on each logical call."""
