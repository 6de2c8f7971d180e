"""A small agent and a provider for it on loopback: what `otel-agenttrace demo` runs. No key, no account."""
