#!/usr/bin/env python3
"""Holds the source tree to layering.py's rules, and each rule to a violation that it must see."""

import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, "tests/layering")  # tests are run in the root of their runfiles
import layering  # noqa: E402  pylint: disable=wrong-import-position

# A scan that found fewer files than this has looked in the wrong place.
FEWEST_FILES = 20


def header(path, *lines):
    guard = layering.guard_of(path)
    return "\n".join(["#ifndef " + guard, "#define " + guard, *lines, "#endif  // " + guard, ""])


class Tree(unittest.TestCase):
    def test_sources_keep_the_rules(self):
        root = os.path.dirname(os.path.realpath("WORKSPACE"))
        violations, seen = layering.check_tree(root)
        self.assertGreaterEqual(seen, FEWEST_FILES)
        self.assertEqual(violations, [], "\n" + "\n".join(violations))


class Rules(unittest.TestCase):
    def check(self, files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return layering.check_tree(root)[0]

    def refuses(self, path, line, rule):
        """`line` in `path` breaks `rule`, and nothing else does."""
        text = header(path, line) if path.endswith(".h") else line + "\n"
        violations = self.check({path: text})
        self.assertEqual(len(violations), 1, violations)
        self.assertIn(rule, violations[0])
        self.assertTrue(violations[0].startswith(path + ":"))

    def accepts(self, path, line):
        text = header(path, line) if path.endswith(".h") else line + "\n"
        self.assertEqual(self.check({path: text}), [])

    def test_transport_knows_no_rpc(self):
        for include in ('"rpc/status.h"', '"culvert/rpc/status.h"', '"proto/health.pb.h"', "<google/protobuf/message.h>"):
            self.refuses("transport/http/body.h", "#include " + include, "never includes rpc/")

    def test_rungs(self):
        self.refuses("transport/frame/framer.h", '#include "transport/http2/session.h"', "never includes transport/http2/")
        self.refuses("transport/http1/parser.h", '#include "transport/http2/session.h"', "never includes transport/http2/")
        self.refuses("transport/http2/session.h", '#include "transport/http1/parser.h"', "never includes transport/http1/")
        self.refuses("transport/http/handler.h", '#include "transport/server/server.h"', "never includes transport/server/")
        self.accepts("transport/http2/session.h", '#include "transport/frame/framer.h"')

    def test_rpc_sees_the_public_face_only(self):
        self.refuses("rpc/channel.cc", '#include "transport/http2/session.h"', "rpc/ sees transport/ only through")
        self.refuses("rpc/channel.cc", '#include "transport/frame/framer.h"', "rpc/ sees transport/ only through")
        self.accepts("rpc/channel.cc", '#include "transport/client/connection.h"')
        self.refuses("rpc/health/service.cc", '#include "transport/http/body.h"', "only rpc's public headers")
        self.refuses("examples/hello/server.cc", '#include "transport/frame/framer.h"', "examples use only public")

    def test_nothing_includes_tests(self):
        self.refuses("bench/load.cc", '#include "tests/support/clock.h"', "nothing outside tests/")
        self.accepts("tests/e2e/unary_test.cc", '#include "tests/support/clock.h"')

    def test_libraries_stay_in_their_rooms(self):
        self.refuses("transport/http2/session.cc", "#include <nghttp2/nghttp2.h>", "nghttp2 only in")
        self.accepts("tests/transport/hpack/reference.h", "#include <nghttp2/nghttp2.h>")
        self.refuses("transport/io/tcp_stream.cc", "#include <openssl/ssl.h>", "OpenSSL")
        self.refuses("rpc/channel.cc", "#include <asio/ssl/stream.hpp>", "OpenSSL")
        self.accepts("transport/io/tls_stream.cc", "#include <asio/ssl/stream.hpp>")
        self.refuses("transport/io/tcp_stream.cc", "#include <asio.hpp>", "asio.hpp")

    def test_pure_files(self):
        for path in ("transport/frame/framer.cc", "transport/hpack/decoder.h", "transport/http1/chunked.cc",
                     "rpc/timeout.cc", "rpc/status.h", "transport/server/sniffer.cc"):
            self.refuses(path, "#include <asio/buffer.hpp>", "no asio")
            self.refuses(path, "auto now = std::chrono::steady_clock::now();", "no clock")
        self.accepts("rpc/timeout.cc", "// not absl::Now()")
        self.accepts("rpc/channel.cc", "#include <asio/buffer.hpp>")

    def test_names(self):
        for path in ("transport/io/util.cc", "rpc/string_utils.py", "rpc/common/status.cc", "bench/misc.cc",
                     "rpc/server_impl.cc", "transport/client/connection_manager.cc", "tests/support/test_helper.cc"):
            self.refuses(path, "", "no file is named")
        self.accepts("rpc/implicit.cc", "")

    def test_include_guards(self):
        self.assertIn("the include guard is CULVERT_RPC_STATUS_H_", self.check({"rpc/status.h": "#ifndef STATUS_H\n"})[0])
        self.refuses("rpc/status.h", "#pragma once", "not #pragma once")
        self.accepts("rpc/status.h", "")

    def test_includes_are_root_relative(self):
        self.refuses("rpc/status.cc", '#include "status.h"', "root-relative")
        self.refuses("rpc/status.cc", '#include "rpc/../rpc/status.h"', "root-relative")
        self.refuses("rpc/status.cc", '#include "asio/buffer.hpp"', "no asio")
        self.refuses("rpc/channel.cc", '#include "asio/buffer.hpp"', "other people's headers")
        self.accepts("rpc/status.cc", '#include "absl/status/status.h"')

    def test_tests_do_not_sleep(self):
        self.refuses("tests/e2e/unary_test.cc", "std::this_thread::sleep_for(1s);", "no sleeping")
        self.accepts("bench/load.cc", "std::this_thread::sleep_for(1s);")


if __name__ == "__main__":
    unittest.main()
