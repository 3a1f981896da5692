#!/usr/bin/env python3
"""Holds calls and messages to their budgets: what they allocate, ask of the kernel, send, and compute.

The first argument is the program of //bench/counters, as built for the test. Instructions are counted where valgrind is installed; being
those of an unoptimized build they only tell when something has become much dearer.
"""

import importlib.machinery
import importlib.util
import os
import shutil
import sys
import unittest

# name: (side, allocations, system calls, bytes, instructions) at most, per operation. One call at a time costs four system calls on each side: send,
# wait, receive, and asio's arming of the wait. A hundred at a time share them; on a single connection a batch goes out in pieces, so that both sides
# work at once.
BUDGETS = {
    "unary": {"server": (0.01, 4.1, 36, None), "client": (0.01, 4.1, 31, None)},
    "unary_1x100": {"server": (0.01, 0.25, 36, 90000), "client": (0.01, 0.25, 31, 100000)},
    "unary_64x100": {"server": (0.01, 0.06, 36, None), "client": (1, 0.06, 31, None)},
    "unary_coroutine": {"server": (2, 0.25, 36, None), "client": (0.01, 0.25, 31, None)},
    "pingpong": {"server": (0.01, 0.2, 15, 21000), "client": (0.01, 0.2, 15, 22000)},
    "server_stream": {"server": (0.01, 0.02, 17, None), "client": (0.01, 0.02, 1, None)},
}

BINARY = os.path.abspath(sys.argv.pop(1))


def load_tool():
    loader = importlib.machinery.SourceFileLoader("counters", os.path.join("tools", "counters"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("counters", loader))
    loader.exec_module(module)
    return module


TOOL = load_tool()


class Budgets(unittest.TestCase):
    def test_covers_what_is_counted(self):
        self.assertEqual(sorted(result["name"] for result in TOOL.count(BINARY, [])), sorted(BUDGETS))


def add(name):
    def test(self):
        result = TOOL.count(BINARY, [name])[0]
        counted = any(budget[3] for budget in BUDGETS[name].values()) and shutil.which("valgrind")
        instructions = TOOL.instructions(BINARY, name) if counted else {}
        for side, (allocations, syscalls, sent, computed) in BUDGETS[name].items():
            cost = result[side]
            self.assertLessEqual(cost["allocations"], allocations, "allocations of the " + side)
            self.assertLessEqual(cost["syscalls"], syscalls, "system calls of the " + side)
            self.assertLessEqual(cost["bytes_sent"], sent, "bytes sent by the " + side)
            if computed and counted:
                self.assertGreater(instructions[side], 0)
                self.assertLessEqual(instructions[side], computed, "instructions of the " + side)

    setattr(Budgets, "test_" + name, test)


for each in BUDGETS:
    add(each)

if __name__ == "__main__":
    unittest.main()
