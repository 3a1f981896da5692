#!/usr/bin/env python3
"""h2spec, the conformance suite for HTTP/2 servers, in its strict mode, against the program given as the first argument: a case for each of its own."""

import os
import sys
import tempfile
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run_cases  # noqa: E402  pylint: disable=wrong-import-position

MOST = 146  # cases that h2spec 2.2.1 has for servers


def suite(server, report):
    tool = run_cases.find_program("peer:h2spec")
    with tempfile.TemporaryDirectory() as directory:
        results = os.path.join(directory, "results.xml")
        try:
            said = run_cases.run([tool, "--strict", "--host", server.host, "--port", str(server.port), "--junit-report", results], seconds=240)
        except run_cases.Failure as failure:
            if not os.path.exists(results):
                raise
            said = str(failure)  # it exits with 1 when a case failed, which is told below
        seen = 0
        for package in xml.etree.ElementTree.parse(results).getroot().iter("testsuite"):
            for case in package.iter("testcase"):
                seen += 1
                name = "%s %s" % (case.get("package"), case.get("classname"))
                trouble = [child for child in case if child.tag in ("failure", "error", "skipped")]
                if not trouble:
                    report.add(name, "passed")
                else:
                    text = " ".join("".join(child.itertext()) for child in trouble)
                    report.add(name, "failed", "%s: %s" % (trouble[0].tag, text.strip()))
        if seen != MOST:
            raise run_cases.Failure("%d cases, not %d:\n%s" % (seen, MOST, said))
    print(said.splitlines()[-1])


def main(program):
    report = run_cases.Report("h2spec")
    run_cases.with_server(report, program, [("all_cases_ran", lambda server: suite(server, report))])
    return report.finish()


if __name__ == "__main__":
    run_cases.exit_on_signals()
    sys.exit(main(sys.argv[1]))
