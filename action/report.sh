#!/usr/bin/env bash
# Report: what the steps before found, as Markdown, in a file and in the summary of the job.
. "$(dirname "$0")/steps.sh"

report="$out/report.md"
options=(--format md -o "$report")
[ ! -f "$out/run.json" ] || options+=("$out/run.json")
[ ! -f "$out/checks.json" ] || options+=(--checks "$out/checks.json")
[ ! -d "$out/base" ] || options+=(--base "$out/base")
words "${AGENTTRACE_CASSETTES:-.}"
for word in "${words[@]}"; do options+=(--cassettes "$word"); done

code=0
"${python[@]}" -m otel_agenttrace report "${options[@]}" || code=$?
ended report "$code"

[ -f "$report" ] || exit 0
[ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$report" >>"$GITHUB_STEP_SUMMARY"
[ -z "${GITHUB_OUTPUT:-}" ] || printf 'report=%s\n' "$report" >>"$GITHUB_OUTPUT"
[ -z "${AGENTTRACE_REPORT:-}" ] || cp "$report" "$AGENTTRACE_REPORT"
