"""Recordings that other tools made. A foreign file in, spans with their recorded calls out; what cannot be read is named."""
