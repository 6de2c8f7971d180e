# What the steps share: where their results stand, how a setting of several words is read, how a step keeps its exit code.
# shellcheck shell=bash
set -euo pipefail

out="${AGENTTRACE_OUT:-.agenttrace/ci}"
mkdir -p "$out"

# words TEXT: gives its words, as a shell quotes them, in the array of that name. Nothing in them is run or expanded.
words() {
  local listed word
  words=()
  [ -n "${1//[[:space:]]/}" ] || return 0
  listed=$(printf '%s' "$1" | xargs -n 1 printf '%s\n')
  while IFS= read -r word; do words+=("$word"); done <<<"$listed"
}

words "${AGENTTRACE_PYTHON:-python}"
# shellcheck disable=SC2034 # the steps use it
python=("${words[@]}")

# ended STEP CODE: keeps how a step ended for the last one: a report is written whatever failed.
ended() {
  printf '%s %s\n' "$1" "$2" >>"$out/codes"
}
