"""One module per provider API: request and response, JSON or server-sent events, to and from the model. Pure."""
