#!/usr/bin/env python3
"""curl, over HTTP/2 with prior knowledge, against the interop server given as the first argument: what a plain HTTP client sees of gRPC."""

import os
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run_cases  # noqa: E402  pylint: disable=wrong-import-position

EMPTY_MESSAGE = bytes(5)  # the envelope of a message without bytes


class Response:
    """What `curl` got: the status, fields of the head and of the trailers by name, and the body."""

    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields
        self.body = body

    def expect(self, status, body=None, **fields):
        if self.status != status:
            raise run_cases.Failure("the status is %s, not %s; fields: %s" % (self.status, status, self.fields))
        for name, value in fields.items():
            name = name.replace("_", "-")
            if self.fields.get(name) != value:
                raise run_cases.Failure("%s is %s, not %s" % (name, self.fields.get(name), value))
        if body is not None and self.body != body:
            raise run_cases.Failure("the body is %r, not %r" % (self.body[:100], body))


def curl(server, path, *arguments, message=None):
    tool = run_cases.find_tool("curl", "curl")
    with tempfile.TemporaryDirectory() as directory:
        head, body, data = (os.path.join(directory, name) for name in ("head", "body", "data"))
        command = [tool, "--silent", "--show-error", "--http2-prior-knowledge", "--max-time", "10", "--dump-header", head, "--output",
                   body, *arguments]
        if message is not None:
            with open(data, "wb") as file:
                file.write(message)
            command += ["--data-binary", "@" + data]
        run_cases.run(command + ["http://%s:%d%s" % (server.host, server.port, path)])
        with open(head, encoding="utf-8") as file:
            lines = [line.strip() for line in file if line.strip()]
        content = b""
        if os.path.exists(body):
            with open(body, "rb") as file:
                content = file.read()
    version, status = lines[0].split(" ")[:2]
    if version != "HTTP/2":
        raise run_cases.Failure("the answer is in %s, not HTTP/2" % version)
    return Response(status, dict(line.split(": ", 1) for line in lines[1:] if ": " in line), content)


GRPC = ("--header", "content-type: application/grpc", "--header", "te: trailers")


def unary(server):
    response = curl(server, "/grpc.testing.TestService/EmptyCall", *GRPC, message=EMPTY_MESSAGE)
    response.expect("200", body=EMPTY_MESSAGE, content_type="application/grpc", grpc_status="0")


# Two requests without a body, since they are answered before it would come: an answer followed by RST_STREAM with NO_ERROR, as RFC 9113 8.1
# has it then, is an error to this curl, whoever the server.


def unknown_method(server):
    response = curl(server, "/grpc.testing.TestService/NoSuchCall", *GRPC, message=b"")
    response.expect("200", body=b"", content_type="application/grpc", grpc_status="12")


def get(server):
    curl(server, "/grpc.testing.TestService/EmptyCall").expect("415")


def other_content_type(server):
    response = curl(server, "/grpc.testing.TestService/EmptyCall", "--header", "content-type: text/plain", message=b"")
    response.expect("415")


def torn_message(server):
    """A message that announces more bytes than come: an error, and no crash (see with_server)."""
    response = curl(server, "/grpc.testing.TestService/EmptyCall", *GRPC, message=b"\0\0\0\0\x09abc")
    response.expect("200", body=b"")
    if response.fields.get("grpc-status") in (None, "0"):
        raise run_cases.Failure("grpc-status is %s, not an error" % response.fields.get("grpc-status"))


def main(server):
    report = run_cases.Report("curl")
    run_cases.with_server(report, server, [(case.__name__, case) for case in (unary, unknown_method, get, other_content_type, torn_message)])
    return report.finish()


if __name__ == "__main__":
    run_cases.exit_on_signals()
    sys.exit(main(sys.argv[1]))
