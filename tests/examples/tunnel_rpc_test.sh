#!/bin/bash
# tunnel: calls through the proxy, by ChannelOptions::transport.proxy alone, and the tunnel's own manners seen from bare sockets.
set -euo pipefail
readonly here=$TEST_SRCDIR/$TEST_WORKSPACE
source "$here/tests/examples/running.sh"

start "$here/examples/one_port/server" --listen=127.0.0.1:0
readonly origin=$address origin_process=$server
trap 'at_exit; kill -KILL "$origin_process" 2>/dev/null || true' EXIT
start "$here/examples/tunnel/proxy" --listen=127.0.0.1:0 --allow="$origin"
readonly proxy=$address

client=("$here/examples/one_port/client" --proxy="$proxy")
for name in Danube Enns; do
  run "${client[@]}" --target="$origin" --name="$name"
  ((code == 0)) || fail "the client ended with $code"
done
expect "a unary call" "number 2, seen from ipv4:127.0.0.1:"
expect "a stream" $'\n  Danube\n  Enns'

run "${client[@]}" --target="$origin" --name=
((code == 1)) || fail "the client without a name ended with $code"
expect "an error through the tunnel" "INVALID_ARGUMENT: a name, please"

run "${client[@]}" --target=127.0.0.1:2 --name=x
((code == 1)) || fail "the client with a refused target ended with $code"
expect "a refused target" "UNAVAILABLE: proxy refuses CONNECT 127.0.0.1:2 with status 403"

run "$here/examples/one_port/client" --proxy=127.0.0.1:1 --target="$origin" --name=x
((code == 1)) || fail "the client without a proxy ended with $code"
expect "no proxy" "UNAVAILABLE: cannot connect to 127.0.0.1:1"

run python3 - "$proxy" "$origin" <<'PYTHON'
import socket
import sys

proxy, origin = sys.argv[1:]
host, port = proxy.rsplit(":", 1)


def connect():
    return socket.create_connection((host, int(port)), timeout=30)


def read_to_end(sock):
    data = b""
    while True:
        piece = sock.recv(65536)
        if not piece:
            return data
        data += piece


head = ("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (origin, origin)).encode()
get = ("GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % origin).encode()
established = b"HTTP/1.1 200 OK\r\n\r\n"

# Everything in one packet, and our side ended: the answer still comes, and then the end.
sock = connect()
sock.sendall(head + get)
sock.shutdown(socket.SHUT_WR)
answer = read_to_end(sock)
assert answer.startswith(established + b"HTTP/1.1 200 OK\r\n"), answer
assert b"Hello over HTTP/1." in answer, answer

# 100 KiB with the head, in order and whole.
body = b"".join(b"%d," % i for i in range(20000))[:100 * 1024]
post = ("POST /echo HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (origin, len(body))).encode()
sock = connect()
sock.sendall(head + post + body)
answer = read_to_end(sock)
chunks, data = answer.split(b"\r\n\r\n", 2)[2], b""
while True:
    size, chunks = chunks.split(b"\r\n", 1)
    if int(size, 16) == 0:
        break
    data, chunks = data + chunks[:int(size, 16)], chunks[int(size, 16) + 2:]
assert data == body, "%d bytes of %d, or not the same" % (len(data), len(body))

# A client that vanishes, in the middle of a request to the proxy and in the middle of a tunnel.
for begun in (b"CONNECT ", head, head + get[:10]):
    sock = connect()
    sock.sendall(begun)
    if begun.startswith(head):
        assert sock.recv(1000) == established
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    sock.close()

# Many tunnels at once, each of which still works after the others have come.
socks = [connect() for _ in range(50)]
for sock in socks:
    sock.sendall(head)
for sock in socks:
    assert sock.recv(1000) == established
for sock in socks:
    sock.sendall(get)
for sock in socks:
    assert b"Hello over HTTP/1." in read_to_end(sock)

# Left open, for the proxy's end to find.
left = connect()
left.sendall(head)
assert left.recv(1000) == established
print("all is well")
PYTHON
((code == 0)) || fail "the sockets' manners"

run "${client[@]}" --target="$origin" --name=again
expect "a call after all this" "number 3"

exec {tunnel}<>"/dev/tcp/${proxy%:*}/${proxy##*:}"
printf 'CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n' "$origin" "$origin" >&"$tunnel"
read -r -t 30 -u "$tunnel" line
[[ $line == "HTTP/1.1 200 OK"* ]] || fail "the last tunnel: $line"
stop
((code == 0)) || fail "the proxy ended with $code after SIGTERM, with a tunnel open"
exec {tunnel}<&-
