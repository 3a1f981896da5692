#!/usr/bin/env python3
"""h2specd, h2spec's conformance suite for HTTP/2 clients, against the program given as the first argument: a case for each of its own.

h2specd listens on a port for each case, runs the client with the port's URL, and has only its output to tell what it found. A case, the
second in which it lets the client see its GOAWAY included, may take three seconds; after that it gives everything up. On a machine that was
busy for so long it is run again.
"""

import os
import random
import re
import socket
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run_cases  # noqa: E402  pylint: disable=wrong-import-position

MOST = 57  # cases that h2specd 2.2.1 has
ATTEMPTS = 3

# It goes by RFC 7540, where a frame on a stream that its sender has ended is an error of the connection. RFC 9113 5.1 leaves that open, and
# Culvert resets the stream: what h2specd has to have seen instead.
RESETS = {
    "client/5.1/8": "Actual: RST_STREAM Frame (length:4, flags:0x00, stream_id:1)",
    "client/5.1/9": "Actual: RST_STREAM Frame (length:4, flags:0x00, stream_id:1)",
}

SECTION = re.compile(r"^(?P<number>\d+(\.\d+)*)\. ")
CASE = re.compile(r"^(?P<mark>[✔×] )?(?P<number>\d+): (?P<description>.*)$")


def free_ports(count):
    """The first of so many free ports in a row, below those that the system hands out by itself."""
    for _ in range(100):
        first = random.randrange(20000, 32000 - count)
        sockets = []
        try:
            for port in range(first, first + count):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise run_cases.Failure("there are not %d free ports in a row" % count)


def play(client):
    """What h2specd says when it has come to its end."""
    tool = run_cases.find_program("peer:h2specd")
    for left in reversed(range(ATTEMPTS)):
        try:
            return run_cases.run([tool, "--timeout", "1", "--from-port", str(free_ports(MOST)), "--exec", client], seconds=90)
        except run_cases.Failure as failure:
            if left == 0:
                raise
            print("once more: %s" % failure, flush=True)
    raise AssertionError("unreachable")


def outcomes(said):
    """Of each case its name, its mark, and what is said of it."""
    section, cases = "", []
    for line in said.splitlines():
        line = line.strip()
        if line.startswith(("Failures:", "Finished in")):
            break  # the failed ones again, and the summary
        heading, case = SECTION.match(line), CASE.match(line)
        if heading:
            section = heading["number"]
        elif case:
            cases.append(("client/%s/%s" % (section, case["number"]), (case["mark"] or "").strip(), [case["description"]]))
        elif cases and line:
            cases[-1][2].append(line)
    return cases


def suite(client, report):
    said = play(client)
    cases = outcomes(said)
    for name, mark, lines in cases:
        title = "%s %s" % (name, lines[0])
        if name in RESETS:
            passed = mark == "×" and RESETS[name] in lines
            report.add(title, "passed" if passed else "failed", "" if passed else "the stream is not reset:\n" + "\n".join(lines))
        else:
            passed = mark == "✔"
            report.add(title, "passed" if passed else "failed", "" if passed else "\n".join(lines))
    if len(cases) != MOST:
        raise run_cases.Failure("%d cases, not %d:\n%s" % (len(cases), MOST, said))


def main(client):
    report = run_cases.Report("h2specd")
    report.play("all_cases_ran", lambda: suite(run_cases.find_program(client), report))
    return report.finish()


if __name__ == "__main__":
    run_cases.exit_on_signals()
    sys.exit(main(sys.argv[1]))
