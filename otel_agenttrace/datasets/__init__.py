"""Traces as data sets: for training, for evaluation, for tables. Traces in, rows of a known format out; nothing is written here."""
