#!/usr/bin/env python3
"""h2load, nghttp2's load generator, against the interop server given as the first argument.

h2load knows nothing of gRPC: it posts the same enveloped message again and again and counts HTTP statuses. What is held here is that every
request was answered, with 2xx, and that no stream or connection broke.
"""

import os
import re
import struct
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run_cases  # noqa: E402  pylint: disable=wrong-import-position

EMPTY_CALL = "/grpc.testing.TestService/EmptyCall"
UNARY_CALL = "/grpc.testing.TestService/UnaryCall"


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def envelope(message):
    return struct.pack(">BI", 0, len(message)) + message


def simple_request(response_size, body_size):
    """grpc.testing.SimpleRequest: response_size = 2, payload = 3 with body = 2."""
    body = b"\x12" + varint(body_size) + bytes(body_size)
    return b"\x10" + varint(response_size) + b"\x1a" + varint(len(body)) + body


def load(server, requests, connections, streams, path, message):
    tool = run_cases.find_tool("h2load", "nghttp2-client")
    with tempfile.NamedTemporaryFile() as file:
        file.write(envelope(message))
        file.flush()
        output = run_cases.run([
            tool, "--requests=%d" % requests, "--clients=%d" % connections, "--max-concurrent-streams=%d" % streams,
            "--data=" + file.name, "--header=content-type: application/grpc", "--header=te: trailers",
            "http://%s:%d%s" % (server.host, server.port, path)
        ], seconds=60)
    # "requests: 100 total, ..., 100 succeeded, 0 failed, 0 errored, 0 timeout" and "status codes: 100 2xx, 0 3xx, 0 4xx, 0 5xx"
    for wanted in (r"^requests: {0} total, {0} started, {0} done, {0} succeeded, 0 failed, 0 errored, 0 timeout$",
                   r"^status codes: {0} 2xx, 0 3xx, 0 4xx, 0 5xx$"):
        if not re.search(wanted.format(requests), output, re.MULTILINE):
            raise run_cases.Failure("h2load does not say '%s':\n%s" % (wanted.format(requests).strip("^$"), output))


def main(server):
    report = run_cases.Report("h2load")
    run_cases.with_server(report, server, (
        ("one_after_another", lambda at: load(at, 2000, 1, 1, EMPTY_CALL, b"")),
        ("many_streams", lambda at: load(at, 20000, 4, 100, EMPTY_CALL, b"")),
        ("many_connections", lambda at: load(at, 5000, 250, 4, EMPTY_CALL, b"")),
        ("more_streams_than_allowed", lambda at: load(at, 5000, 1, 2500, EMPTY_CALL, b"")),
        ("large_messages", lambda at: load(at, 500, 2, 10, UNARY_CALL, simple_request(314159, 271828))),
    ))
    return report.finish()


if __name__ == "__main__":
    run_cases.exit_on_signals()
    sys.exit(main(sys.argv[1]))
