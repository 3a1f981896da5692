#!/bin/bash
# one_port: gRPC, HTTP/2 and HTTP/1.1 on the same port, and the same state behind them.
set -euo pipefail
readonly here=$TEST_SRCDIR/$TEST_WORKSPACE
source "$here/tests/examples/running.sh"
command -v curl >/dev/null || fail "curl is not installed (Debian package curl)"

start "$here/examples/one_port/server" --listen=127.0.0.1:0

ask() {
  run curl --silent --show-error --max-time 30 --noproxy "*" "$@"
}
sign() {
  run "$here/examples/one_port/client" --target="$address" --name="$1"
}

sign "by gRPC"
((code == 0)) || fail "the client ended with $code"
expect "the call" "number 1, seen from ipv4:127.0.0.1:"
expect "the stream" "  by gRPC"

ask --http1.1 --data "by HTTP/1.1" "http://$address/"
((code == 0)) || fail "curl over HTTP/1.1 ended with $code"
expect "HTTP/1.1" "You are number 2."

ask --http2-prior-knowledge --data "by HTTP/2" "http://$address/"
((code == 0)) || fail "curl over HTTP/2 ended with $code"
expect "HTTP/2" "You are number 3."

for version in 1.1 2; do
  flag=--http$version
  [[ $version == 2 ]] && flag=--http2-prior-knowledge
  ask "$flag" "http://$address/"
  expect "the book by $flag" $'Signed so far:\nby gRPC\nby HTTP/1.1\nby HTTP/2'
  expect "its version" "Hello over HTTP/${version%.1}."

  ask "$flag" --include "http://$address/nothing"
  expect "no such page by $flag" "404"
  ask "$flag" --include --request DELETE "http://$address/"
  expect "no such method by $flag" "405"
  ask "$flag" --include --data "" "http://$address/"
  expect "no name by $flag" "400"

  head -c 3000000 /dev/urandom >"$TEST_TMPDIR/sent"
  ask "$flag" --data-binary "@$TEST_TMPDIR/sent" --output "$TEST_TMPDIR/received" "http://$address/echo"
  ((code == 0)) || fail "the echo by $flag ended with $code"
  cmp "$TEST_TMPDIR/sent" "$TEST_TMPDIR/received" || fail "the echo by $flag came back changed"
done

head -c 1001 /dev/zero >"$TEST_TMPDIR/long"
ask --http1.1 --include --data-binary "@$TEST_TMPDIR/long" "http://$address/"
expect "too long a name" "HTTP/1.1 413"

sign "$(head -c 1001 /dev/zero | tr '\0' x)"
((code == 1)) || fail "the client with too long a name ended with $code"
expect "too long a name by gRPC" "INVALID_ARGUMENT: a name of at most 1000 bytes, please"

# gRPC over HTTP/1.1 is none: it is the pages' request like any other.
ask --http1.1 --include --header "content-type: application/grpc" --data "" "http://$address/one_port.GuestBook/Sign"
expect "gRPC's content-type over HTTP/1.1" "HTTP/1.1 404"

sign "again"
((code == 0)) || fail "the second client ended with $code"
expect "the whole book" $'\n  by gRPC\n  by HTTP/1.1\n  by HTTP/2\n  again'

# A thousand more: four have signed, so that the last four find no room. The fragments stay with curl.
ask --http1.1 --data x "http://$address/#[1-1000]"
((code == 0)) || fail "curl with a thousand requests ended with $code"
expect "the last one in the book" $'\nYou are number 1000.\nthe book is full'
[[ $(grep -c "the book is full" <<<"$output") == 4 ]] || fail "not four too many"
sign "too late"
((code == 1)) || fail "the client with a full book ended with $code"
expect "a full book by gRPC" "RESOURCE_EXHAUSTED: the book is full"

stop
((code == 0)) || fail "the server ended with $code after SIGTERM"
