#!/bin/bash
# hello: the greeting, and what each program says when something is wrong.
set -euo pipefail
readonly here=$TEST_SRCDIR/$TEST_WORKSPACE
readonly hello=$here/examples/hello
source "$here/tests/examples/running.sh"

start "$hello/server" 127.0.0.1:0

run "$hello/client" Danube "$address"
((code == 0)) || fail "the client ended with $code"
expect "greeting" "Hello, Danube!"

run "$hello/client" "" "$address"
((code == 1)) || fail "the client without a name ended with $code"
expect "no name" "INVALID_ARGUMENT: whom shall I greet?"

run "$hello/server" "$address"
((code == 1)) || fail "a second server on the same port ended with $code"
expect "taken port" "Address already in use"

run "$hello/server" nowhere
((code == 1)) || fail "the server with a bad address ended with $code"
expect "bad address" "INVALID_ARGUMENT"

run "$hello/client" Danube "dns:::"
((code == 1)) || fail "the client with a bad target ended with $code"
expect "bad target" "INVALID_ARGUMENT"

# The server has heard nothing of all this.
run "$hello/client" again "$address"
expect "second greeting" "Hello, again!"

stop
run "$hello/client" Danube "$address"
((code == 1)) || fail "the client without a server ended with $code"
expect "no server" "UNAVAILABLE"

for program in server client; do
  lines=$(wc -l <"$here/examples/hello/$program.cc")
  ((lines < 40)) || fail "$program.cc has $lines lines; the README promises fewer than 40"
done
