#!/usr/bin/env bash
# Comment: the report on the pull request. It never fails the job: what does not work is a warning.
. "$(dirname "$0")/steps.sh"

told=$(AGENTTRACE_REPORT="$out/report.md" "${python[@]}" -IS "$(dirname "$0")/comment.py") ||
  told="::warning title=otel-agenttrace::${told:-no comment was written}"
echo "$told"
