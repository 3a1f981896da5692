#!/bin/bash
# route_guide: all four kinds of calls, what each program says when something is wrong, and a clean end.
set -euo pipefail
readonly here=$TEST_SRCDIR/$TEST_WORKSPACE
readonly guide=$here/examples/route_guide
source "$here/tests/examples/running.sh"

start "$guide/server" --listen=127.0.0.1:0

run "$guide/client" --target="$address"
((code == 0)) || fail "the client ended with $code"
expect "GetFeature" "Lindenwerder lock"
expect "GetFeature of no place" "nothing"
expect "GetFeature off Earth" "INVALID_ARGUMENT: the point is not on Earth"
expect "ListFeatures" "18 features between"
expect "RecordRoute" "12 points, 12 features, 743 km"
expect "RouteChat" "before us, at 47.9956, 14.1350: The gate sticks."
expect "RouteChat" "3 notes from before"
expect "the end" "All four kinds of calls went well."

# The notes of the first visit are still there.
run "$guide/client" --target="dns:///$address"
((code == 0)) || fail "the second client ended with $code"
expect "second RouteChat" "13 notes from before"

run "$guide/server" --listen="$address"
((code == 1)) || fail "a second server on the same port ended with $code"
expect "taken port" "Address already in use"

run "$guide/server" --listen=nowhere
((code == 1)) || fail "the server with a bad address ended with $code"
expect "bad address" "INVALID_ARGUMENT"

for program in server client; do
  run "$guide/$program" --no_such_flag
  ((code != 0)) || fail "$program accepted a flag that it does not have"
  expect "bad flag" "Unknown command line flag 'no_such_flag'"
done

run "$guide/client" --target=dns:::
((code == 1)) || fail "the client with a bad target ended with $code"
expect "bad target" "--target: INVALID_ARGUMENT"

# Garbage on the port does the server no harm.
exec {garbage}<>"/dev/tcp/${address%:*}/${address##*:}"
head -c 4096 /dev/zero >&"$garbage" || true
exec {garbage}<&-
run "$guide/client" --target="$address"
((code == 0)) || fail "the client after garbage on the port ended with $code"

stop
((code == 0)) || fail "the server ended with $code after SIGTERM"

run "$guide/client" --target="$address"
((code == 1)) || fail "the client without a server ended with $code"
expect "no server" "UNAVAILABLE"
