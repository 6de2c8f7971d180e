"""The registries behind `otel_agenttrace/semconv.py`, and its generator."""
