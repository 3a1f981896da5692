#!/usr/bin/env python3
"""Plays interop cases: starts a server, runs a client against it once per case, and reports each case by name.

    run_cases.py --server=PROGRAM --client=PROGRAM [--case=NAME]...

A PROGRAM is a path, or `peer:NAME` for one that tests/interop/install_peers installs. Servers take --port=0 and say on their output where
they listen; clients take --server_host, --server_port and --test_case and exit with 0 when the case passed. What other scripts of this
directory need is here as well: Server, Skip, Report.

Each case ends in time, one way or the other: a client that does not is killed, and so is everything started here when the script ends.
The cases go to $XML_OUTPUT_FILE, where Bazel asks for them; a case that cannot be played on this machine is reported as skipped.
"""

import argparse
import collections
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

CASES = (
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
)

READY_SECONDS = 15
CASE_SECONDS = 15
STOP_SECONDS = 10

# How a server says that it listens: Culvert's and the gRPC C++ one of this directory, and grpc-go's.
READY = re.compile(r"^READY (?P<host>.*):(?P<port>\d+)$|interop server listening on .*:(?P<go_port>\d+)$")


class Skip(Exception):
    """The case cannot be played on this machine; says why."""


class Failure(Exception):
    """The case failed; says what differed."""


def peers_directory():
    """Where install_peers puts programs. Bazel gives tests a HOME of their own, or none."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    return os.environ.get("CULVERT_PEERS_DIR") or os.path.join(home, ".cache", "culvert", "peers")


def find_program(program):
    """The path of `program`, or Skip."""
    if not program.startswith("peer:"):
        if not os.access(program, os.X_OK):
            raise Failure("there is no program %s" % program)
        return program
    name = program[len("peer:"):]
    path = os.path.join(peers_directory(), name)
    if os.access(path, os.X_OK):
        return path
    if shutil.which("go") or os.access("/usr/local/go/bin/go", os.X_OK):
        raise Skip("%s is not installed; tests/interop/install_peers installs it" % name)
    raise Skip("%s is not installed, and there is no Go on this machine to build it with" % name)


def find_tool(name, package):
    """The path of a program of the system's, or Skip."""
    path = shutil.which(name)
    if path is None:
        raise Skip("%s is not installed (Debian package %s)" % (name, package))
    return path


def run(command, seconds=None):
    """Runs `command` to its end. Returns its output, standard error included; Failure when it fails or takes too long."""
    seconds = seconds or CASE_SECONDS
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
                              check=False)
    except subprocess.TimeoutExpired as late:
        raise Failure("no end after %g s\n%s" % (seconds, (late.output or b"").decode("utf-8", "replace").strip())) from None
    output = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode < 0:
        raise Failure("killed by %s\n%s" % (signal.Signals(-done.returncode).name, output))
    if done.returncode != 0:
        raise Failure("exit code %d\n%s" % (done.returncode, output))
    return output


class Server:
    """A server program on a free port. A context manager; gone when that is left."""

    def __init__(self, program):
        self.host = "127.0.0.1"
        self.port = None
        self.lines = collections.deque(maxlen=30)
        self.settled = threading.Event()  # it is ready, or says no more
        self.process = subprocess.Popen([find_program(program), "--port=0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=dict(os.environ, GRPC_GO_LOG_SEVERITY_LEVEL="info"))
        # Reads to the end: a full pipe would stop the server.
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.settled.wait(READY_SECONDS)
        if self.port is None:
            why = "ended before it was ready" if self.settled.is_set() else "was not ready in time"
            self.kill()
            raise Failure("the server %s\n%s" % (why, self.said()))

    def _read(self):
        with self.process.stdout as output:
            for line in output:
                line = line.decode("utf-8", "replace").rstrip()
                self.lines.append(line)
                match = self.port is None and READY.search(line)
                if match:
                    self.port = int(match["port"] or match["go_port"])
                    self.settled.set()
        self.settled.set()

    def said(self):
        """The last lines of its output, for a failure's message. All of them, when it has ended."""
        if self.process.poll() is not None:
            self.reader.join(STOP_SECONDS)
        return "\n".join(self.lines)

    def check_alive(self):
        code = self.process.poll()
        if code is not None:
            raise Failure("the server has ended, with exit code %d" % code)

    def stop(self):
        """SIGTERM, upon which the server has to end well."""
        self.check_alive()
        self.process.terminate()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure("the server runs on %d s after SIGTERM\n%s" % (STOP_SECONDS, self.said())) from None
        if code != 0:
            raise Failure("after SIGTERM the server ended with exit code %d\n%s" % (code, self.said()))

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(STOP_SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Report:
    """The cases of one test: printed as they end, and written to $XML_OUTPUT_FILE."""

    def __init__(self, name):
        self.suite = xml.etree.ElementTree.Element("testsuite", name=name)
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def play(self, name, action):
        """Runs action(), which raises Failure or Skip, as case `name`."""
        started = time.monotonic()
        outcome, reason = "passed", ""
        try:
            action()
        except Failure as failure:
            outcome, reason = "failed", str(failure)
        except Skip as skip:
            outcome, reason = "skipped", str(skip)
        self.add(name, outcome, reason, time.monotonic() - started)
        return outcome == "passed"

    def add(self, name, outcome, reason="", seconds=0.0):
        print("%-7s %s (%.2f s)%s" % (outcome.upper(), name, seconds, ": " + reason if reason else ""), flush=True)
        self.counts[outcome] += 1
        case = xml.etree.ElementTree.SubElement(self.suite, "testcase", name=name, time="%.3f" % seconds)
        if outcome != "passed":
            # Control characters have no place in XML.
            reason = re.sub(r"[^\t\n\x20-\ud7ff\ue000-\ufffd]", "?", reason)
            xml.etree.ElementTree.SubElement(case, {"failed": "failure"}.get(outcome, outcome), message=reason)

    def finish(self):
        """Writes the XML; the script's exit code."""
        path = os.environ.get("XML_OUTPUT_FILE")
        if path:
            xml.etree.ElementTree.ElementTree(self.suite).write(path, encoding="utf-8", xml_declaration=True)
        print(", ".join("%d %s" % (count, outcome) for outcome, count in self.counts.items()), flush=True)
        return 1 if self.counts["failed"] or not sum(self.counts.values()) else 0


def with_server(report, program, cases):
    """Plays `cases`, pairs of a name and a function of a Server. A server that a case has brought down is started again."""
    server = None
    try:
        for name, case in cases:
            def action(case=case):
                nonlocal server
                if server is None:
                    server = Server(program)
                try:
                    case(server)
                    server.check_alive()
                except Failure as failure:
                    server.kill()
                    said = server.said()
                    server = None
                    raise Failure("%s%s" % (failure, "\nthe server said:\n" + said if said else "")) from None
            report.play(name, action)
        if server is not None and not program.startswith("peer:"):
            report.play("server_stops_on_sigterm", server.stop)
    finally:
        if server is not None:
            server.kill()


def interop_case(client, name):
    def case(server):
        run([find_program(client), "--server_host=" + server.host, "--server_port=%d" % server.port, "--test_case=" + name,
             "--use_tls=false"])
    return name, case


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--client", required=True)
    parser.add_argument("--case", action="append", choices=CASES, help="only these")
    options = parser.parse_args(arguments)
    report = Report("interop")
    with_server(report, options.server, [interop_case(options.client, name) for name in options.case or CASES])
    return report.finish()


def exit_on_signals():
    """So that `finally` runs, and with it the end of the servers, when Bazel gives up waiting."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))


if __name__ == "__main__":
    exit_on_signals()
    sys.exit(main(sys.argv[1:]))
