"""`python -m otel_agenttrace`: the command line."""

from otel_agenttrace.cli import main

main()
