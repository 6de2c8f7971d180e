#!/usr/bin/env bash
# Replay: run the tests from their cassettes, keep what they tell. The first step: nothing of an earlier run is left.
. "$(dirname "$0")/steps.sh"

rm -rf "$out/base" "$out/checks.json" "$out/codes" "$out/report.md" "$out/run.json"

options=(--agenttrace-report "$out/run.json")
words "${AGENTTRACE_FAIL_ON:-}"
for word in ${words[@]+"${words[@]}"}; do options+=(--agenttrace-fail-on "${word%,}"); done
words "${AGENTTRACE_PYTEST_ARGS:-}"

code=0
"${python[@]}" -m pytest "${options[@]}" ${words[@]+"${words[@]}"} || code=$?
ended replay "$code"
