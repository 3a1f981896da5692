#!/usr/bin/env python3
"""tools/count_test_cases decides whether CI is green: each way to lose a failure has a test here."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

TOOL = "tools/count_test_cases"  # tests are run in the root of their runfiles


class CountTestCases(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.events = []

    def tearDown(self):
        self.directory.cleanup()

    def target(self, label, status=None, xml=None, built=True):
        """One test target: configured, completed, and executed when it has a status."""
        self.events.append({"id": {"targetConfigured": {"label": label}}, "configured": {"testSize": "SMALL"}})
        self.events.append({"id": {"targetCompleted": {"label": label}}, "completed": {"success": True} if built else {}})
        if status is None:
            return
        outputs = []
        if xml is not None:
            path = os.path.join(self.directory.name, "%d.xml" % len(self.events))
            with open(path, "w", encoding="utf-8") as file:
                file.write(xml)
            outputs.append({"name": "test.xml", "uri": "file://" + path})
        self.events.append({
            "id": {"testResult": {"label": label, "run": 1, "shard": 1, "attempt": 1}},
            "testResult": {"status": status, "testActionOutput": outputs},
        })

    def count(self, exit_code=0):
        """Runs the tool; returns (its last line, the lines before, its exit code)."""
        path = os.path.join(self.directory.name, "events.json")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in self.events)
        done = subprocess.run([sys.executable, TOOL, "run", path, str(exit_code)], stdout=subprocess.PIPE, text=True,
                              check=False)
        lines = done.stdout.splitlines()
        return lines[-1], "\n".join(lines[:-1]), done.returncode

    def test_counts_gtest_cases_one_by_one(self):
        self.target("//a:t", "FAILED", """<testsuites><testsuite>
            <testcase name="Good" classname="S" status="run" result="completed"/>
            <testcase name="Bad" classname="S" status="run"><failure message="1 is not 2"/></testcase>
            <testcase name="Off" classname="S" status="notrun" result="suppressed"/>
            <testcase name="NoGo" classname="S" result="skipped"><skipped message="go is missing"/></testcase>
            </testsuite></testsuites>""")
        last, lines, code = self.count(3)
        self.assertEqual(last, "1 passed, 1 failed, 2 skipped")
        self.assertEqual(code, 1)
        self.assertIn("Failed (run): //a:t S.Bad: 1 is not 2", lines)
        self.assertIn("Skipped (run): //a:t S.NoGo: go is missing", lines)
        self.assertIn("Skipped (run): //a:t S.Off: disabled", lines)

    def test_all_passed(self):
        self.target("//a:t", "PASSED", '<testsuites><testsuite><testcase name="a/t"/></testsuite></testsuites>')
        self.assertEqual(self.count(), ("1 passed, 0 failed", "run:             1 cases passed, 0 failed, 0 skipped", 0))

    def test_script_says_that_it_skipped(self):
        self.target("//a:t", "PASSED", '<testsuites><testsuite><testcase name="a/t"/>'
                    "<system-out>x\nSKIPPED: node is missing\n</system-out></testsuite></testsuites>")
        last, lines, code = self.count()
        self.assertEqual((last, code), ("0 passed, 0 failed, 1 skipped", 1))
        self.assertIn("Skipped (run): //a:t: node is missing", lines)

    def test_target_that_fails_after_its_cases_passed(self):
        self.target("//a:t", "FAILED", '<testsuites><testsuite><testcase name="Good"/></testsuite></testsuites>')
        self.assertEqual(self.count(3)[0], "1 passed, 1 failed")

    def test_target_without_cases(self):
        self.target("//a:empty", "PASSED", "<testsuites><testsuite/></testsuites>")
        self.target("//a:torn", "FAILED", "<testsuites><testsu")
        self.target("//a:none", "TIMEOUT")
        self.assertEqual(self.count(3)[0], "0 passed, 3 failed")

    def test_target_that_was_not_built_or_not_run(self):
        self.target("//a:unbuilt", built=False)
        self.target("//a:forgotten")
        last, lines, _ = self.count(1)
        self.assertEqual(last, "0 passed, 2 failed")
        self.assertIn("//a:unbuilt: failed to build", lines)
        self.assertIn("//a:forgotten: did not run", lines)

    def test_package_that_does_not_load(self):
        self.target("//a:t", "PASSED", '<testsuites><testsuite><testcase name="a/t"/></testsuite></testsuites>')
        self.events.append({"id": {"configuredLabel": {"label": "//b:t"}},
                            "aborted": {"reason": "LOADING_FAILURE", "description": "no such package"}})
        self.assertEqual(self.count(1)[0], "1 passed, 1 failed")

    def test_bazel_fails_for_a_reason_of_its_own(self):
        self.target("//a:t", "PASSED", '<testsuites><testsuite><testcase name="a/t"/></testsuite></testsuites>')
        last, _, code = self.count(37)
        self.assertEqual((last, code), ("1 passed, 1 failed", 1))

    def test_nothing_ran(self):
        self.assertEqual(self.count(4)[2], 1)


if __name__ == "__main__":
    unittest.main()
