#!/usr/bin/env python3
"""Breaks the lease of a frame on purpose, in processes of their own, and fails where nothing reports it.

    lease_control_test.py LEASE_CONTROL

What has to be reported depends on the build, which the control program tells: AddressSanitizer sees bytes read after their lease,
ThreadSanitizer sees them read while the reader has gone on, and a build with assertions aborts on a stale FrameRef.
"""

import os
import subprocess
import sys
import unittest

CONTROL = ""
TYPES = ("DATA", "WINDOW_UPDATE", "HEADERS", "CONTINUATION")
MISUSES = ("same_thread", "refilled", "other_thread", "stale")

ABORTED = "frame used after the next ReadFrame"
POISONED = "AddressSanitizer: use-after-poison"
RACE = "WARNING: ThreadSanitizer: data race"


def control(*arguments, **environment):
    return subprocess.run([CONTROL, *arguments], env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", errors="replace", check=False)


class LeaseControl(unittest.TestCase):
    def setUp(self):
        os.environ.pop("CULVERT_HTTP2_REUSE_FRAMES", None)
        build = control("build")
        self.assertEqual((build.returncode, build.stderr), (0, ""))
        self.sanitizer, self.assertions = build.stdout.split()
        self.assertIn(self.sanitizer, ("plain", "asan", "tsan"))
        self.assertIn(self.assertions, ("debug", "opt"))

    def only_in(self, seen, *wanted):
        if seen not in wanted:
            self.skipTest("nothing sees it in this build: %s %s" % (self.sanitizer, self.assertions))

    def assert_clean(self, child):
        self.assertEqual((child.returncode, child.stderr), (0, ""), child.stdout)

    def assert_reported(self, child, report):
        self.assertIn(report, child.stderr, "not reported:\n" + child.stdout + child.stderr)
        self.assertNotEqual(child.returncode, 0, child.stderr)

    def test_who_gives_every_frame_back_in_time_is_clean(self):
        child = control("gated")
        self.assert_clean(child)
        self.assertEqual(child.stdout, "1000 frames, 0 wrong\n")

    def test_a_stale_frame_aborts(self):
        self.only_in(self.assertions, "debug")
        for frame in TYPES:
            with self.subTest(frame=frame):
                self.assert_reported(control("stale", frame), ABORTED)

    def test_bytes_looked_at_after_the_next_read_frame_are_reported(self):
        self.only_in(self.sanitizer, "asan")
        self.assert_reported(control("same_thread", "DATA"), POISONED)

    def test_bytes_looked_at_after_others_were_read_are_reported(self):
        self.only_in(self.sanitizer, "asan")
        self.assert_reported(control("refilled", "DATA"), POISONED)

    def test_bytes_looked_at_by_another_thread_while_the_reader_goes_on_are_reported(self):
        self.only_in(self.sanitizer, "asan", "tsan")
        for frame in TYPES if self.sanitizer == "tsan" else ("DATA",):
            with self.subTest(frame=frame):
                self.assert_reported(control("other_thread", frame), RACE if self.sanitizer == "tsan" else POISONED)

    def test_with_reuse_off_the_same_is_no_misuse(self):
        for misuse in MISUSES:
            for frame in TYPES:
                with self.subTest(misuse=misuse, frame=frame):
                    child = control(misuse, frame, CULVERT_HTTP2_REUSE_FRAMES="0")
                    self.assert_clean(child)
                    self.assertTrue(child.stdout.endswith("nothing has stopped it\n"), child.stdout)

    def test_another_mode_is_refused(self):
        self.assertEqual(control("sleep").returncode, 2)
        self.assertEqual(control("stale", "PING").returncode, 2)


if __name__ == "__main__":
    CONTROL = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
