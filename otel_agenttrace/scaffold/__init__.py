"""What `otel-agenttrace init` gives a project: an agent, its test, settings, a CI file. Its texts stand in `templates/`."""
