#!/bin/bash
# examples/consumer, a workspace that depends on Culvert as a user's does: built, tested and run by a Bazel of its own, without a network
# and without leaving anything in the source tree.
set -euo pipefail
readonly bazel=${BAZEL:-/usr/bin/bazel}
root=$(dirname "$(readlink -f "$TEST_SRCDIR/$TEST_WORKSPACE/WORKSPACE")")
readonly consumer=$root/examples/consumer
readonly output_user_root=$TEST_TMPDIR/bazel

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

[[ -d $consumer ]] || fail "no examples/consumer beside $root/WORKSPACE"

run_bazel() {
  (cd "$consumer" && "$bazel" --nohome_rc --output_user_root="$output_user_root" --max_idle_secs=60 "$@" </dev/null)
}
# The server goes, and with it some hundred megabytes.
trap 'run_bazel clean --expunge >/dev/null 2>&1 || true' EXIT

listing() {
  (cd "$consumer" && find . | sort)
}
before=$(listing)

run_bazel test --symlink_prefix=/ --jobs=2 --color=no --curses=no --show_progress_rate_limit=20 --test_output=errors //... ||
  fail "the consumer's build or test"

bin=$(run_bazel info bazel-bin 2>/dev/null)
output=$("$bin/weather" 2>&1) || fail "the consumer's program ended with $?: $output"
echo "$output"
[[ $output == *"Krems: 13 C"* ]] || fail "no report of Krems"
[[ $output == *"Atlantis: NOT_FOUND: no station in Atlantis"* ]] || fail "no error for Atlantis"
[[ $output == *"The consumer's calls went well."* ]] || fail "the program did not come to its end"

[[ $(listing) == "$before" ]] || fail "the build left something in $consumer: $(diff <(echo "$before") <(listing))"
