#!/usr/bin/env bash
# Check: hold the recorded runs to the rules, if there are any.
. "$(dirname "$0")/steps.sh"

rules="${AGENTTRACE_RULES:-agent-checks.yaml}"
if [ ! -f "$rules" ]; then
  echo "no rules at $rules"
  exit 0
fi

words "${AGENTTRACE_CASSETTES:-.}"
files=()
while IFS= read -r -d '' file; do files+=("$file"); done < <(
  find "${words[@]}" -name '.?*' -prune -o -type f \( -name '*.otlp.jsonl' -o -name '*.otlp.jsonl.zst' \) -print0 | sort -z
)
if [ "${#files[@]}" -eq 0 ]; then
  echo "no cassettes in ${words[*]}"
  exit 0
fi

code=0
"${python[@]}" -m otel_agenttrace check "${files[@]}" --rules "$rules" --json >"$out/checks.json" || code=$?
[ -s "$out/checks.json" ] || rm "$out/checks.json"
ended check "$code"
