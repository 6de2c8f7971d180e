"""What spans of other instrumentations tell of a call to a model: attributes and events in, shapes of the model out. Pure."""
