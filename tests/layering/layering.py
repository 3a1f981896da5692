#!/usr/bin/env python3
"""House rules that a look at file names and #include lines can hold.

    tests/layering/layering.py [ROOT]      prints one line per violation, exits 1 when there is one

Bazel's visibility holds the same directions between targets; this holds them between files, with the rule's reason.
"""

import os
import re
import sys

TOP_LEVEL = ("transport", "rpc", "proto", "tests", "bench", "examples", "tools", "third_party")
CODE = (".h", ".cc", ".inc")

# What a file of each part of transport/ may include from transport/: rungs below it, never above or beside it.
TRANSPORT = {
    "base": {"base"},
    "io": {"base", "io"},
    "hpack": {"base", "hpack", "http"},
    "frame": {"base", "io", "hpack", "frame", "http"},
    "http": {"base", "io", "http"},
    "http1": {"base", "io", "http", "http1"},
    "http2": {"base", "io", "hpack", "frame", "http", "http2"},
    "server": {"base", "io", "hpack", "frame", "http", "http1", "http2", "server", "client"},
    "client": {"base", "io", "hpack", "frame", "http", "http1", "http2", "server", "client"},
}
# What rpc/ may see of transport/: the public targets //transport:http, :server and :client, and base.
RPC_MAY_SEE = {"base", "io", "http", "server", "client"}

# Bytes and values in, values and Status out: no asio, no clock.
PURE = re.compile(
    r"transport/(frame|hpack)/"
    r"|transport/http1/(parser|chunked|serialize)"
    r"|transport/server/sniffer"
    r"|rpc/(timeout|metadata|envelope|status|compression|codec)[_.]")
CLOCK = re.compile(r"\b(steady_clock|system_clock|high_resolution_clock)::now\b|\babsl::(Now|GetCurrentTimeNanos)\b"
                   r"|\bclock_gettime\b|\bgettimeofday\b")
SLEEP = re.compile(r"\bsleep_for\b|\bsleep_until\b|\babsl::SleepFor\b|\busleep\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
BANNED_NAMES = {"util", "utils", "common", "misc", "impl", "manager", "helper", "helpers"}
QUOTED_THIRD_PARTY = ("absl/", "gtest/", "gmock/", "google/protobuf/", "benchmark/", "culvert/", "grpc/testing/")


def source_files(root):
    """Yields root-relative paths of everything in the source directories; Bazel's own symlinks are not followed."""
    for top in TOP_LEVEL:
        for directory, subdirectories, files in os.walk(os.path.join(root, top)):
            subdirectories[:] = sorted(d for d in subdirectories if not d.startswith(("bazel-", "__", ".")))
            for name in sorted(files):
                path = os.path.join(directory, name)
                if not os.path.islink(path):
                    yield os.path.relpath(path, root)


def part(path):
    """transport/http2/session.h -> http2"""
    pieces = path.split("/")
    return pieces[1] if len(pieces) > 2 else ""


def bad_name(path):
    """A word of the file's or its directory's name that says nothing, or None."""
    for piece in path.split("/"):
        for word in re.split(r"[_.\-]", piece.lower()):
            if word in BANNED_NAMES:
                return word
    return None


def bad_include(path, quote, target):
    """Why `path` must not include `target`, or None."""
    in_transport = path.startswith("transport/")
    in_rpc = path.startswith("rpc/")
    in_tests = path.startswith("tests/")
    name = target[len("culvert/"):] if target.startswith("culvert/") else target

    if in_transport and name.startswith(("rpc/", "proto/", "google/protobuf/", "grpc/", "grpcpp/")):
        return "transport/ knows bytes and HTTP: it never includes rpc/, proto/ or protobuf"
    if in_transport and name.startswith("transport/") and part(path) in TRANSPORT:
        if part(name) and part(name) not in TRANSPORT[part(path)]:
            return "transport/%s/ never includes transport/%s/" % (part(path), part(name))
    if path.startswith(("rpc/health/", "rpc/reflection/")) and name.startswith("transport/"):
        return "health and reflection use only rpc's public headers"
    if in_rpc and name.startswith("transport/") and part(name) not in RPC_MAY_SEE:
        return "rpc/ sees transport/ only through its base, io, http, server and client"
    if path.startswith("examples/") and name.startswith("transport/") and part(name) not in RPC_MAY_SEE:
        return "examples use only public headers"
    if name.startswith("tests/") and not in_tests:
        return "nothing outside tests/ includes tests/"
    if name.startswith("nghttp2/") and not in_tests:
        return "nghttp2 only in tests/: the reference for transport/hpack/"
    if name.startswith(("openssl/", "asio/ssl")) and not in_tests and not path.startswith("transport/io/tls_"):
        return "OpenSSL and asio::ssl only in transport/io/tls_*"
    if name == "asio.hpp":
        return "never all of asio.hpp: include what is used"
    if PURE.match(path) and name.startswith("asio"):
        return "a pure file includes no asio"
    if quote == '"' and not path.startswith("examples/consumer/"):
        if ".." in name.split("/"):
            return "includes are root-relative"
        if not target.startswith(QUOTED_THIRD_PARTY) and target.split("/")[0] not in TOP_LEVEL:
            return "includes are root-relative; other people's headers stand in <>"
    return None


def guard_of(path):
    return "CULVERT_%s_" % re.sub(r"[^A-Z0-9]", "_", path.upper())


def check_file(path, text):
    """Yields 'path:line: rule' for each violation in one file."""
    word = bad_name(path)
    if word:
        yield "%s:1: no file is named '%s': name it after what it holds" % (path, word)
    if not path.endswith(CODE):
        return
    lines = text.split("\n")
    if path.endswith(".h"):
        guard = guard_of(path)
        if "#ifndef " + guard not in lines or "#define " + guard not in lines:
            yield "%s:1: the include guard is %s" % (path, guard)
    for number, line in enumerate(lines, 1):
        include = INCLUDE.match(line)
        if include:
            reason = bad_include(path, *include.groups())
            if reason:
                yield "%s:%d: %s (%s)" % (path, number, reason, include.group(2))
        code = line.split("//")[0]
        if re.match(r"\s*#\s*pragma\s+once\b", code):
            yield "%s:%d: include guards, not #pragma once" % (path, number)
        if PURE.match(path) and CLOCK.search(code):
            yield "%s:%d: a pure file reads no clock" % (path, number)
        if path.startswith("tests/") and SLEEP.search(code):
            yield "%s:%d: no sleeping in tests: wait for what is awaited, or use ManualClock" % (path, number)


def check_tree(root):
    """Returns (violations, number of C++ files seen)."""
    violations = []
    seen = 0
    for path in source_files(root):
        text = ""
        if path.endswith(CODE):
            seen += 1
            with open(os.path.join(root, path), encoding="utf-8") as file:
                text = file.read()
        violations.extend(check_file(path, text))
    return violations, seen


if __name__ == "__main__":
    found, count = check_tree(sys.argv[1] if len(sys.argv) > 1 else ".")
    print("\n".join(found + ["%d files, %d violations" % (count, len(found))]))
    sys.exit(1 if found else 0)
