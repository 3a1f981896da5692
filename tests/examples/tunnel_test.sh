#!/bin/bash
# tunnel: a real curl through the proxy, and what the proxy says to everything that is not for it.
set -euo pipefail
readonly here=$TEST_SRCDIR/$TEST_WORKSPACE
source "$here/tests/examples/running.sh"
command -v curl >/dev/null || fail "curl is not installed (Debian package curl)"

start "$here/examples/one_port/server" --listen=127.0.0.1:0
readonly origin=$address origin_process=$server
trap 'at_exit; kill -KILL "$origin_process" 2>/dev/null || true' EXIT

# Nobody listens on port 1, and .invalid names nothing (RFC 6761).
start "$here/examples/tunnel/proxy" --listen=127.0.0.1:0 --allow="$origin,127.0.0.1:1,No-Such-Host.invalid:80,localhost:${origin##*:}"
readonly proxy=$address

request() {
  run curl --silent --show-error --max-time 30 --noproxy "" "$@"
}
through() {
  request --proxytunnel --proxy "http://$proxy" "$@"
}

through "http://$origin/"
((code == 0)) || fail "curl over HTTP/1.1 ended with $code"
expect "HTTP/1.1 through the tunnel" "Hello over HTTP/1."

through --http2-prior-knowledge "http://$origin/"
((code == 0)) || fail "curl over HTTP/2 ended with $code"
expect "HTTP/2 through the tunnel" "Hello over HTTP/2."

through "http://localhost:${origin##*:}/"
expect "a target by name" "Hello over HTTP/1."

# Two requests over one tunnel.
through "http://$origin/" "http://$origin/"
[[ $(grep -c "Hello over" <<<"$output") == 2 ]] || fail "not two answers"

# A large body there and back, both ways at once.
head -c 5000000 /dev/urandom >"$TEST_TMPDIR/sent"
for version in --http1.1 --http2-prior-knowledge; do
  through "$version" --data-binary "@$TEST_TMPDIR/sent" --output "$TEST_TMPDIR/received" "http://$origin/echo"
  ((code == 0)) || fail "curl $version with a large body ended with $code"
  cmp "$TEST_TMPDIR/sent" "$TEST_TMPDIR/received" || fail "the body came back changed by $version"
done

# refused STATUS TARGET: what the proxy answers to CONNECT
refused() {
  through --output /dev/null --write-out "CONNECT %{http_connect}\n" "http://$2/"
  ((code == 56)) || fail "curl to $2 ended with $code"
  expect "CONNECT $2" "CONNECT $1"
}
refused 403 127.0.0.1:2
refused 403 "127.0.0.2:${origin##*:}"
refused 502 127.0.0.1:1
refused 502 no-such-host.invalid:80

# Not for a CONNECT proxy: a forwarded request, and the proxy taken for a server.
request --proxy "http://$proxy" --write-out "%{http_code}" "http://$origin/"
expect "a request to be forwarded" "this is a proxy for CONNECT"
expect "how to ask" "--proxytunnel"
expect "a request to be forwarded" "404"
request --include --data x "http://$proxy/"
expect "POST" "HTTP/1.1 405 Method Not Allowed"
expect "POST" "allow: CONNECT"
request --http2-prior-knowledge --include "http://$proxy/"
expect "HTTP/2" "HTTP/2 404"
request --include --head "http://$proxy/"
expect "HEAD" "HTTP/1.1 404 Not Found"

run "$here/examples/tunnel/proxy" --listen=127.0.0.1:0 --allow=nonsense
((code == 1)) || fail "the proxy with a bad list ended with $code"
expect "a bad list" "--allow: INVALID_ARGUMENT: address 'nonsense' has no port"
run "$here/examples/tunnel/proxy" --listen="$proxy"
((code == 1)) || fail "a second proxy on the same port ended with $code"
expect "a taken port" "Address already in use"

# After all this.
through "http://$origin/"
expect "the last request" "Hello over HTTP/1."
stop
((code == 0)) || fail "the proxy ended with $code after SIGTERM"
