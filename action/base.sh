#!/usr/bin/env bash
# Base: lay out the cassettes of the base branch, and nothing else of it, under the paths they have here.
. "$(dirname "$0")/steps.sh"

compare_with_nothing() {
  echo "::warning title=otel-agenttrace::$1: the recordings are compared with nothing"
  exit 0
}

ref="${AGENTTRACE_BASE_REF:-}"
if [ -z "$ref" ]; then
  echo "no base branch: the recordings are compared with nothing"
  exit 0
fi
case "$ref" in -*) compare_with_nothing "the base is no name of a branch" ;; esac
git check-ref-format --allow-onelevel "$ref" || compare_with_nothing "the base is no name of a branch"
here=$(git rev-parse --show-prefix) || compare_with_nothing "this is no git repository"

commit=$(git rev-parse --quiet --verify "refs/remotes/origin/$ref^{commit}") ||
  commit=$(git rev-parse --quiet --verify "$ref^{commit}") || {
  depth=()
  [ "$(git rev-parse --is-shallow-repository)" = false ] || depth=(--depth=1)
  git fetch --quiet --no-tags ${depth[@]+"${depth[@]}"} origin "$ref" || compare_with_nothing "the base cannot be fetched"
  commit=$(git rev-parse --verify 'FETCH_HEAD^{commit}')
}

laid_out=$(cd "$out" && mktemp -d "$PWD/tree.XXXXXX")
mkdir -p "$laid_out/$here"
export GIT_INDEX_FILE="$laid_out/.index"
git read-tree "$commit"
git ls-files -z -- '*.otlp.jsonl*' | git checkout-index -z --stdin --prefix="$laid_out/"
rm -rf "$out/base"
mv "$laid_out/$here" "$out/base"
rm -rf "$laid_out"
echo "the cassettes of $ref, $commit, stand in $out/base"
