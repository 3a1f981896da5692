#!/usr/bin/env python3
"""Holds run_cases.py to telling the truth: programs that fail, hang, die or are missing are reported as what they are."""

import contextlib
import io
import os
import sys
import tempfile
import textwrap
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run_cases  # noqa: E402  pylint: disable=wrong-import-position

SERVER = """
    import signal, socket, sys
    listener = socket.create_server(("127.0.0.1", 0))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("starting", flush=True)
    print("READY 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    signal.pause()
"""
CLIENT = """
    import socket, sys
    flags = dict(argument.lstrip("-").split("=") for argument in sys.argv[1:])
    socket.create_connection((flags["server_host"], int(flags["server_port"])))
    print("this is", flags["test_case"])
"""


class RunCases(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.addCleanup(os.environ.pop, "XML_OUTPUT_FILE", None)
        self.addCleanup(setattr, run_cases, "CASE_SECONDS", run_cases.CASE_SECONDS)
        self.addCleanup(setattr, run_cases, "READY_SECONDS", run_cases.READY_SECONDS)

    def program(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!%s\n%s" % (sys.executable, textwrap.dedent(text)))
        os.chmod(path, 0o755)
        return path

    def play(self, server=SERVER, client=CLIENT, cases=("ping_pong", "large_unary")):
        """Returns the exit code, and the cases as (name, outcome, message)."""
        server = server if server.startswith("peer:") else self.program("server", server)
        client = client if client.startswith("peer:") else self.program("client", client)
        os.environ["XML_OUTPUT_FILE"] = os.path.join(self.directory, "test.xml")
        with contextlib.redirect_stdout(io.StringIO()):
            code = run_cases.main(["--server=" + server, "--client=" + client] + ["--case=" + case for case in cases])
        suite = xml.etree.ElementTree.parse(os.environ["XML_OUTPUT_FILE"]).getroot()
        return code, [(case.get("name"), case[0].tag if len(case) else "passed", case[0].get("message") if len(case) else "")
                      for case in suite]

    def test_cases_pass_by_name(self):
        code, cases = self.play()
        self.assertEqual(code, 0)
        self.assertEqual(cases, [("ping_pong", "passed", ""), ("large_unary", "passed", ""), ("server_stops_on_sigterm", "passed", "")])

    def test_a_case_that_fails_says_what_the_client_said(self):
        code, cases = self.play(client=CLIENT + "    sys.exit(flags['test_case'] == 'ping_pong')\n")
        self.assertEqual(code, 1)
        self.assertEqual([case[:2] for case in cases],
                         [("ping_pong", "failure"), ("large_unary", "passed"), ("server_stops_on_sigterm", "passed")])
        self.assertIn("this is ping_pong", cases[0][2])
        self.assertIn("exit code 1", cases[0][2])

    def test_a_client_that_crashes_fails(self):
        _, cases = self.play(client="import os; os.abort()")
        self.assertEqual(cases[0][1], "failure")
        self.assertIn("SIGABRT", cases[0][2])

    def test_a_client_that_hangs_is_ended(self):
        run_cases.CASE_SECONDS = 0.5
        _, cases = self.play(client="print('waiting', flush=True)\nimport signal; signal.pause()", cases=("ping_pong",))
        self.assertEqual(cases[0][1], "failure")
        self.assertIn("no end after", cases[0][2])
        self.assertIn("waiting", cases[0][2])

    def test_a_server_that_dies_fails_its_case_and_is_started_again(self):
        dying = SERVER.replace("signal.pause()", "listener.accept()\n    sys.exit('shot down')")
        code, cases = self.play(server=dying, client=CLIENT + "    socket.socket.recv(socket.create_connection(('127.0.0.1', 1)), 1)\n")
        self.assertEqual(code, 1)
        self.assertEqual([case[1] for case in cases], ["failure", "failure"])
        self.assertIn("shot down", cases[0][2])

    def test_a_server_that_is_never_ready_fails(self):
        run_cases.READY_SECONDS = 0.5
        _, cases = self.play(server="print('thinking', flush=True)\nimport signal; signal.pause()", cases=("ping_pong",))
        self.assertEqual(cases[0][1], "failure")
        self.assertIn("was not ready in time", cases[0][2])
        self.assertIn("thinking", cases[0][2])

    def test_a_server_that_cannot_start_fails(self):
        _, cases = self.play(server="import sys; sys.exit('port taken')", cases=("ping_pong",))
        self.assertEqual(cases[0][1], "failure")
        self.assertIn("port taken", cases[0][2])

    def test_a_server_that_ignores_sigterm_badly_fails(self):
        _, cases = self.play(server=SERVER.replace("sys.exit(0)", "sys.exit(3)"))
        self.assertEqual(cases[-1][:2], ("server_stops_on_sigterm", "failure"))
        self.assertIn("exit code 3", cases[-1][2])

    def test_a_missing_peer_skips_every_case_and_says_why(self):
        for pair in ({"client": "peer:none"}, {"server": "peer:none"}):
            code, cases = self.play(**pair)
            self.assertEqual(code, 0)
            skipped = [case for case in cases if case[0] != "server_stops_on_sigterm"]
            self.assertEqual([case[:2] for case in skipped], [("ping_pong", "skipped"), ("large_unary", "skipped")])
            self.assertIn("none is not installed", skipped[0][2])

    def test_a_program_that_is_missing_fails(self):
        report = run_cases.Report("missing")
        with contextlib.redirect_stdout(io.StringIO()):
            run_cases.with_server(report, os.path.join(self.directory, "absent"), [("case", lambda server: None)])
        self.assertEqual(report.counts["failed"], 1)

    def test_grpc_go_says_where_it_listens_in_its_own_way(self):
        match = run_cases.READY.search("2026/01/02 03:04:05 INFO: [interop] interop server listening on [::]:38145")
        self.assertEqual(match["go_port"], "38145")


if __name__ == "__main__":
    unittest.main()
