#!/usr/bin/env bash
# Result: end with the exit code of the first step that failed.
. "$(dirname "$0")/steps.sh"

while read -r step code; do
  if [ "$code" -ne 0 ]; then
    echo "$step ended with $code"
    exit "$code"
  fi
done <"$out/codes"
