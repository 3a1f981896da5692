#!/bin/bash
# tls: its certificates, both programs, and curl and openssl as foreign clients.
set -euo pipefail
readonly here=$TEST_SRCDIR/$TEST_WORKSPACE
readonly tls=$here/examples/tls
source "$here/tests/examples/running.sh"
for tool in curl openssl; do
  command -v "$tool" >/dev/null || fail "$tool is not installed (Debian package $tool)"
done

readonly mine=$TEST_TMPDIR/mine others=$TEST_TMPDIR/others
for directory in "$mine" "$others"; do
  mkdir -p "$directory"
  "$tls/make_certificates" "$directory" || fail "no certificates"
done

tell() {
  run "$tls/client" --target="$address" --secret=Danube "$@"
}
ask() {
  run curl --silent --show-error --max-time 30 --noproxy "*" "$@"
}

start "$tls/server" --listen=127.0.0.1:0 --certificate="$mine/server.pem" --key="$mine/server.key"
readonly port=${address##*:}

tell --roots="$mine/root.pem"
((code == 0)) || fail "the client ended with $code"
expect "the promise" "I keep it: 6 bytes"
tell --roots="$mine/root.pem" --target="localhost:$port"
((code == 0)) || fail "the client ended with $code by name"

tell --roots="$others/root.pem"
((code == 1)) || fail "the client that trusts others ended with $code"
expect "no trust" "UNAVAILABLE: TLS: certificate verify failed"
tell
((code == 1)) || fail "the client that trusts the system's roots ended with $code"
expect "no trust in the example's root" "UNAVAILABLE: TLS: certificate verify failed"

for version in 1.1 2; do
  for tls_version in 1.2 1.3; do
    ask "--http$version" --tls-max "$tls_version" "--tlsv$tls_version" --cacert "$mine/root.pem" "https://127.0.0.1:$port/"
    ((code == 0)) || fail "curl over HTTP/$version, TLS $tls_version ended with $code"
    expect "HTTP/$version" "https over HTTP/${version%.1}"
  done
done
ask --http1.1 "http://127.0.0.1:$port/"
((code != 0)) || fail "plaintext was served"
ask --cacert "$others/root.pem" "https://127.0.0.1:$port/"
((code == 60)) || fail "curl that trusts others ended with $code"

session() {
  run openssl s_client -connect "$address" -CAfile "$mine/root.pem" -verify_return_error "$@" </dev/null
}
session -alpn h2,http/1.1
expect "what is agreed on" "ALPN protocol: h2"
expect "the certificate" "Verification: OK"
session -alpn spdy/3
expect "the alert" "no application protocol"
session -tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256
expect "a cipher that HTTP/2 forbids" "handshake failure"
stop

start "$tls/server" --listen=127.0.0.1:0 --certificate="$mine/server.pem" --key="$mine/server.key" --client_roots="$mine/root.pem" --plaintext_too
tell --roots="$mine/root.pem" --certificate="$mine/client.pem" --key="$mine/client.key"
((code == 0)) || fail "the client with a certificate ended with $code"
expect "the client's name" "I keep it, client: 6 bytes"
tell --roots="$mine/root.pem"
((code == 1)) || fail "the client without a certificate ended with $code"
expect "no certificate" "UNAVAILABLE"
tell --roots="$mine/root.pem" --certificate="$others/client.pem" --key="$others/client.key"
((code == 1)) || fail "the client with a stranger's certificate ended with $code"
expect "a stranger" "UNAVAILABLE"
ask "http://$address/"
((code == 0)) || fail "plaintext, which is served too, ended with $code"
expect "plaintext" "http over HTTP/1"
ask --cacert "$mine/root.pem" --cert "$mine/client.pem" --key "$mine/client.key" "https://$address/"
((code == 0)) || fail "curl with a certificate ended with $code"
stop

run "$tls/server" --certificate="$mine/server.pem" --key="$others/server.key"
((code == 1)) || fail "the server with another's key ended with $code"
expect "the wrong key" "private_key: is not that of the first certificate"
run "$tls/server" --certificate="$mine/nothing" --key="$mine/server.key"
((code == 1)) || fail "the server without its certificate ended with $code"
expect "no certificate file" "nothing to read in '$mine/nothing'"
run "$tls/client" --roots="$mine/nothing"
((code == 1)) || fail "the client without its roots ended with $code"
expect "no file of roots" "nothing to read in '$mine/nothing'"
run "$tls/client" --roots="$mine/server.key"
((code == 1)) || fail "the client with bad roots ended with $code"
expect "bad roots" "roots: no certificate in PEM"
