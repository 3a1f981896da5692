#!/usr/bin/env python3
"""A benchmark server and a load generator, given as arguments, through every kind of call for a second: do they work, and tell what they
promise to tell? How fast they are is not looked at.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import unittest

CALLS = ("unary", "pingpong", "server_stream", "client_stream", "both_ways")
IDLE = "bench/idle"  # tests are run in the root of their runfiles
SECONDS = 60  # more than anything here takes, on a machine that is busy
SERVER = []  # command lines
LOAD = []


class Server:
    """A running server; stops it with SIGTERM and looks at how it ended."""

    def __init__(self, *flags):
        self.process = subprocess.Popen(SERVER + ["--listen=127.0.0.1:0", "--threads=2", *flags], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        ready = select.select([self.process.stdout], [], [], SECONDS)[0]
        line = self.process.stdout.readline() if ready else ""
        match = re.fullmatch(r"READY (127\.0\.0\.1:[1-9][0-9]*)\n", line)
        if not match:
            self.process.kill()
            raise AssertionError("not a READY line: %r\n%s" % (line, self.process.stderr.read()))
        self.address = match.group(1)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, log

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def load(*flags):
    return subprocess.run(LOAD + list(flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False)


class Smoke(unittest.TestCase):
    def measure(self, server, call, *flags):
        done = load("--target=" + server.address, "--call=" + call, "--warmup=200ms", "--duration=1s", "--json", *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 1, done.stdout)
        result = json.loads(lines[0])
        self.assertEqual(result["errors"], 0, done.stderr)
        self.assertGreater(result["rate"], 0)
        self.assertIn(" errors\n", done.stderr, "no progress")
        return result

    def test_every_kind_of_call(self):
        with Server() as server:
            for call in CALLS:
                with self.subTest(call):
                    result = self.measure(server, call, "--connections=3", "--streams=10", "--threads=2", "--request_bytes=100",
                                          "--response_bytes=200", "--server_pid=%d" % server.process.pid)
                    for key, value in {"call": call, "target": server.address, "connections": 3, "streams": 10, "threads": 2,
                                       "request_bytes": 100, "response_bytes": 200}.items():
                        self.assertEqual(result[key], value, key)
                    self.assertLessEqual(result["p50_us"], result["p90_us"])
                    self.assertLessEqual(result["p90_us"], result["p99_us"])
                    self.assertLessEqual(result["p99_us"], result["p999_us"])
                    self.assertGreater(result["p999_us"], 0)
                    self.assertGreater(result["client_us_per_op"], 0)
                    self.assertIn("server_us_per_op", result)
            code, log = server.stop()
            self.assertEqual(code, 0, log)
            self.assertRegex(log, r"CPU: user [0-9.]+ s, system [0-9.]+ s; max RSS [0-9]+ KiB\n")

    def test_messages_larger_than_a_window(self):
        with Server() as server:
            for call in CALLS:
                with self.subTest(call):
                    self.measure(server, call, "--streams=2", "--request_bytes=500000", "--response_bytes=1000000")
            self.assertEqual(server.stop()[0], 0)

    def test_shares_of_streams_and_connections(self):
        with Server() as server:
            result = self.measure(server, "unary", "--connections=2", "--streams=5", "--threads=2")
            for who, count in (("stream", 10), ("connection", 2)):
                self.assertLessEqual(result[who + "_ops_min"], result[who + "_ops_max"])
                self.assertGreaterEqual(result[who + "_jain"], 1 / count)
                self.assertLessEqual(result[who + "_jain"], 1)
            self.assertGreater(result["stream_ops_min"], 0)
            self.assertGreaterEqual(result["connection_ops_min"], 5 * result["stream_ops_min"])
            self.assertLessEqual(result["connection_ops_max"], 5 * result["stream_ops_max"])
            self.assertEqual(server.stop()[0], 0)

    def test_streams_beyond_the_limit_wait(self):
        for flags, starved in (["--max_concurrent_streams=3"], True), ([], False):
            with self.subTest(flags), Server(*flags) as server:
                result = self.measure(server, "pingpong", "--streams=10")
                self.assertEqual(result["stream_ops_min"] == 0, starved)
                self.assertGreater(result["stream_ops_max"], 0)
                self.assertEqual(server.stop()[0], 0)

    def test_bulk_beside_small_calls(self):
        with Server() as server:
            for bulk in ("server_stream", "client_stream"):
                for call in ("unary", "pingpong"):
                    with self.subTest("%s beside %s" % (bulk, call)):
                        result = self.measure(server, call, "--connections=2", "--streams=3", "--duration=300ms", "--bulk_streams=2",
                                              "--bulk_bytes=100000", "--bulk_call=" + bulk)
                        self.assertEqual((result["bulk_streams"], result["bulk_bytes"], result["bulk_call"]), (2, 100000, bulk))
                        self.assertGreater(result["bulk_rate"], 0)
                        self.assertAlmostEqual(result["bulk_mib_per_s"], result["bulk_rate"] * 100000 / 2**20, delta=0.02)
                        self.assertEqual(result["streams"], 3)  # the bulk streams are not among them
                        self.assertLessEqual(result["connection_ops_max"], 3 * result["stream_ops_max"])
            self.assertNotIn("bulk_rate", self.measure(server, "unary", "--duration=100ms"))
            self.assertEqual(server.stop()[0], 0)

    def test_tls(self):
        with tempfile.TemporaryDirectory() as directory:
            key, certificate = os.path.join(directory, "key.pem"), os.path.join(directory, "certificate.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
                            "-keyout", key, "-out", certificate], stderr=subprocess.DEVNULL, timeout=SECONDS, check=True)
            with Server("--tls_certificate=" + certificate, "--tls_key=" + key) as server:
                for call in ("unary", "server_stream"):
                    result = self.measure(server, call, "--tls_roots=" + certificate, "--connections=3", "--streams=5", "--threads=2",
                                          "--response_bytes=100000", "--duration=300ms")
                    self.assertIs(result["tls"], True)
                for flags in ([], ["--tls_roots=" + certificate, "--tls_server_name=elsewhere"]):
                    done = load("--target=" + server.address, "--duration=1s", "--json", *flags)
                    self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
                done = subprocess.run([IDLE, "--target=" + server.address, "--server_pid=%d" % server.process.pid, "--json", "--connections=20",
                                       "--tls_roots=" + certificate], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                      timeout=SECONDS, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(json.loads(done.stdout)["curve"][-1][0], 20)
                self.assertEqual(server.stop()[0], 0)
            for flags in (["--tls_certificate=" + certificate], ["--tls_certificate=" + certificate, "--tls_key=" + directory + "/none"]):
                done = subprocess.run(SERVER + flags, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)

    def test_metadata(self):
        if os.path.basename(LOAD[0]) != "load":
            self.skipTest("a flag of //bench:load")
        with Server() as server:
            self.measure(server, "unary", "--streams=5", "--metadata_fields=40", "--duration=300ms")
            self.assertEqual(server.stop()[0], 0)

    def test_memory_of_what_is_idle(self):
        for flags, count in ((["--connections=50"], 50), (["--connections=3", "--streams=40"], 120)):
            with self.subTest(count), Server() as server:
                done = subprocess.run([IDLE, "--target=" + server.address, "--server_pid=%d" % server.process.pid, "--json", *flags],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                result = json.loads(done.stdout)
                self.assertEqual(result["curve"][-1][0], count)
                self.assertEqual(result["kib"], round(result["curve"][-1][1] / count, 3))
                self.assertEqual(server.stop()[0], 0)

    def test_server_stops_while_it_is_busy(self):
        for call in CALLS:
            with self.subTest(call), Server() as server:
                caller = subprocess.Popen(LOAD + ["--target=" + server.address, "--call=" + call, "--streams=10", "--warmup=0s", "--duration=3s"],
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                try:
                    self.assertIn(" errors\n", caller.stderr.readline())  # the first second is over
                    code, log = server.stop()
                    self.assertEqual(code, 0, log)
                    out, err = caller.communicate(timeout=SECONDS)
                    self.assertEqual(caller.returncode, 0, err)  # some succeeded
                    self.assertRegex(out, r"errors +[1-9]", err)
                    self.assertIn("error: ", err)
                finally:
                    caller.kill()
                    caller.communicate()

    def test_table_without_json(self):
        with Server() as server:
            done = load("--target=" + server.address, "--warmup=0s", "--duration=100ms")
            self.assertEqual(done.returncode, 0, done.stderr)
            for word in ("rate", "calls/s", "p99.9", "CPU", "errors    0"):
                self.assertIn(word, done.stdout)

    def test_nobody_there(self):
        with Server() as server:
            self.assertEqual(server.stop()[0], 0)
            done = load("--target=" + server.address, "--duration=1s", "--json")
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertIn("does not answer", done.stderr)

    def test_flags_that_make_no_sense(self):
        for flag, text in (("--connections=0", "--connections=0 is not in 1 to"), ("--call=quic", "it is one of unary"),
                           ("--duration=0s", "--duration"), ("--duration=5", "duration"), ("--response_bytes=-1", "--response_bytes"),
                           ("--bulk_streams=-1", "--bulk_streams"), ("--bulk_call=unary", "--bulk_call is"), ("--tls_roots=/none", "/none"),
                           ("everything", "unexpected argument"), ("--target=", "--target is empty")):
            with self.subTest(flag):
                done = load(flag)
                self.assertIn(done.returncode, (1, 2), done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertIn(text, done.stderr)
        for flag in ("--threads=-1", "--max_concurrent_streams=-1", "--listen=nonsense", "everything"):
            with self.subTest(flag):
                done = subprocess.run(SERVER + [flag], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False)
                self.assertIn(done.returncode, (1, 2), done.stderr)
                self.assertNotIn("READY", done.stdout)
                self.assertNotEqual(done.stderr, "")

    def test_port_that_is_taken(self):
        with Server() as server:
            done = subprocess.run(SERVER + ["--listen=" + server.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=SECONDS, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
            self.assertIn("cannot listen on " + server.address, done.stderr)


def main(server, generator, *arguments):
    SERVER[:] = [server]
    LOAD[:] = [generator]
    unittest.main(argv=[sys.argv[0], *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])
