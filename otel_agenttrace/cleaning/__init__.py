"""Secrets in files that were written already: found, and removed by today's rules."""
