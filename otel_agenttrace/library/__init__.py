"""Cassettes in folders: found, read one after another, kept in order. Names in, paths, traces and spans out. No clock."""
