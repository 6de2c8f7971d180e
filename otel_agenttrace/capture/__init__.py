"""Processes and sockets: answer the API of a provider from a cassette."""
