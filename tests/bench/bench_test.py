#!/usr/bin/env python3
"""tools/bench, without measuring anything: what it makes of figures, of the programs' output, and of programs that fail or are missing."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import sys
import tempfile
import textwrap
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True


def module(name, path):
    """A script without an extension; tests are run in the root of their runfiles."""
    loader = importlib.machinery.SourceFileLoader(name, os.path.abspath(path))
    loaded = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(loaded)
    return loaded


bench = module("bench", "tools/bench")
idle = module("idle", "bench/idle")
import plot  # noqa: E402  pylint: disable=wrong-import-position
import report  # noqa: E402  pylint: disable=wrong-import-position

RATE_CELL = bench.make_cell("unary_1x100")  # against gRPC C++, floor 4, aim 6
COST_CELL = bench.make_cell("h2load")  # by itself, floor 1.7, aim 1

H2LOAD = """
finished in 1.01s, 666400.00 req/s, 34.96MB/s
requests: 666400 total, 672800 started, 666400 done, 666400 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 666399 2xx, 0 3xx, 1 4xx, 0 5xx
traffic: 34.96MB (36657120) total, 1.27MB (1333888) headers (space savings 94.73%), 15.89MB (16660000) data
"""
GRPC_GO = """
qps: 57572.5
Latency: (50/90/99 %ile): 1.5168ms/2.61µs/1m1.5s
Client CPU utilization: 1.25s
Client CPU profile: /tmp/x.cpu
"""


class Cells(unittest.TestCase):
    def test_cells_of_the_table_and_any_other(self):
        self.assertEqual(bench.make_cell("server_stream_64K").response_bytes, 65536)
        cell = bench.make_cell("pingpong_8x50_1024B_one_cpu")
        self.assertEqual((cell.call, cell.connections, cell.streams, cell.request_bytes, cell.response_bytes, cell.one_cpu),
                         ("pingpong", 8, 50, 1024, 1024, True))
        self.assertIsNone(cell.floor)
        self.assertEqual(bench.make_cell("server_stream_1x1_65536B").request_bytes, 16)
        cell = bench.make_cell("tls_unary_4x2_100B_3t")
        self.assertEqual((cell.tls, cell.call, cell.connections, cell.streams, cell.response_bytes, cell.threads), (True, "unary", 4, 2, 100, 3))
        self.assertIsNone(bench.make_cell("unary_4x2").threads)
        for name in ("quic_1x1", "unary", "unary_0x1", "unary_1x1_16", "unary_1x1_0t", "ssl_unary_1x1", ""):
            self.assertIsNone(bench.make_cell(name), name)

    def test_names_are_of_one_thing(self):
        names = [cell.name for cells in bench.GROUPS.values() for cell in cells] + list(bench.GROUPS) + [sweep.name for sweep in bench.SWEEPS]
        self.assertEqual(len(names), len(set(names)))
        for sweep in bench.SWEEPS:
            for x, name in sweep.cells.items():
                self.assertIsNotNone(bench.make_cell(name), name)
            self.assertTrue(set((sweep.held or ())[:2]) <= set(sweep.cells), sweep.name)

    def test_selection_has_each_cell_once(self):
        cells, unknown = bench.select_cells(["streams", "unary_1x100", "nonsense"], False)
        self.assertEqual([cell.name for cell in cells], ["unary_1x1", "unary_1x10", "unary_1x100", "unary_1x1000", "unary_1x10000"])
        self.assertEqual(unknown, ["nonsense"])
        self.assertEqual(bench.select_cells([], False)[0], list(bench.TABLE))
        self.assertGreater(len(bench.select_cells([], True)[0]), len(bench.TABLE))
        self.assertEqual(bench.select_cells(["tls"], False)[0], list(bench.GROUPS["tls"]))
        everything = bench.select_cells([], False, True)[0]
        self.assertEqual(len(everything), len(set(everything)))
        for cells in (*bench.GROUPS.values(), bench.select_cells([], True)[0]):
            self.assertLessEqual(set(cells), set(everything))


class Output(unittest.TestCase):
    def test_times(self):
        for text, value in (("5s", 5), ("500ms", 0.5), ("1m2.5s", 62.5), ("3µs", 3e-6)):
            self.assertAlmostEqual(bench.seconds(text), value)
        for text in ("5", "", "s", "1.s2", "-1s"):
            with self.assertRaises(Exception, msg=text):
                bench.seconds(text)

    def test_h2load(self):
        self.assertEqual(bench.read_h2load(H2LOAD), {"rate": 666400.0, "operations": 666400, "errors": 1})
        with self.assertRaisesRegex(bench.Failure, "less than the payload"):
            bench.read_h2load(H2LOAD.replace("(16660000)", "(3332000)"))
        with self.assertRaisesRegex(bench.Failure, "could not connect"):
            bench.read_h2load("could not connect")

    def test_grpc_go(self):
        result = bench.read_grpc_go(GRPC_GO)
        self.assertEqual((result["rate"], result["p50_us"], result["client_cpu_s"]), (57572.5, 1516.8, 1.25))
        self.assertAlmostEqual(result["p90_us"], 2.61)
        self.assertAlmostEqual(result["p99_us"], 61.5e6)
        with self.assertRaises(bench.Failure):
            bench.read_grpc_go(GRPC_GO.replace("57572.5", "0"))


class Report(unittest.TestCase):
    def setUp(self):
        self.results = report.Results([RATE_CELL, COST_CELL])

    def add(self, cell, contender, *figures):
        for figure in figures:
            self.results.add(cell, contender, {cell.metric.key: figure, "errors": 0})

    def test_median_and_span(self):
        self.add(RATE_CELL, "culvert", 500, 100, 300)
        self.assertEqual(self.results.median(RATE_CELL, "culvert"), 300)
        self.assertIn("100 .. 500", report.detail_table(self.results))
        self.assertIsNone(self.results.median(RATE_CELL, "tonic"))

    def test_ratio_is_over_the_best_mode(self):
        self.add(RATE_CELL, "culvert", 500, 200, 550)
        self.add(RATE_CELL, "grpc_cpp a/a", 50, 100, 60)
        self.add(RATE_CELL, "grpc_cpp b/b", 100, 40, 110)
        self.assertEqual(self.results.best(RATE_CELL, "grpc_cpp"), (100, "grpc_cpp b/b"))
        self.assertEqual(self.results.verdict(RATE_CELL), (5, True, False))
        table = report.ratio_table(self.results)
        for text in ("5.00 x grpc_cpp", "4 ok", "6 short", "100 b/b"):
            self.assertIn(text, table)

    def test_a_ratio_is_that_of_a_round(self):
        self.add(RATE_CELL, "culvert", 1000, 480, 800)  # the machine was slow in the second round
        self.add(RATE_CELL, "grpc_cpp a/a", 200, 80, 100)
        self.assertEqual(self.results.ratio(RATE_CELL, "grpc_cpp"), 6)

    def test_less_is_better_where_it_is_a_cost(self):
        self.add(COST_CELL, "culvert", 1.5)
        self.add(COST_CELL, "grpc_cpp a/a", 12)
        self.add(COST_CELL, "grpc_cpp b/b", 15)
        self.assertEqual(self.results.ratio(COST_CELL, "grpc_cpp"), 8)
        self.assertEqual(self.results.verdict(COST_CELL), (1.5, True, False))

    def test_nothing_is_claimed_of_what_was_not_measured(self):
        self.add(RATE_CELL, "culvert", 500)
        self.results.failures["unary_1x100"]["grpc_cpp a/a"] = "did not get ready"
        self.assertIsNone(self.results.verdict(RATE_CELL))
        self.assertNotIn("ok", report.ratio_table(self.results))
        self.assertIn("did not get ready", report.detail_table(self.results))
        self.assertEqual(self.results.culvert_failed(), [])

    def test_culvert_failed(self):
        self.results.failures["h2load"]["culvert"] = "no"
        self.results.add(RATE_CELL, "culvert", {"rate": 5, "errors": 1})
        self.assertEqual(self.results.culvert_failed(), ["unary_1x100", "h2load"])

    def test_a_floor_without_an_aim(self):
        cell = bench.make_cell("bulk_beside_small")
        self.results = report.Results([cell])
        self.results.add(cell, "culvert", {"p99_growth": 2.5, "p99_alone_us": 10, "errors": 0})
        self.assertEqual(self.results.verdict(cell), (2.5, True, None))
        self.assertIn("| 2.50 x  | 3 ok  | -", report.ratio_table(self.results))
        self.assertIn("10.0", report.kind_table(self.results, "bulk"))
        self.assertEqual(report.kind_table(self.results, "fairness"), "")

    def test_reuse_is_held_against_none(self):
        cell = bench.make_cell("reuse_headers")
        self.results = report.Results([cell])
        self.add(cell, "culvert", 300)
        self.add(cell, "culvert reuse off", 200)
        self.assertEqual(self.results.median(cell, "culvert"), 300)
        self.assertEqual(self.results.ratio(cell, "culvert reuse off"), 1.5)
        self.assertIn("1.50 x culvert reuse off", report.ratio_table(self.results))

    def test_sweep(self):
        sweep = next(sweep for sweep in bench.SWEEPS if sweep.name == "streams")
        for factor, verdict in ((1.4, "1.40, held to 1.5: ok"), (1.6, "1.60, held to 1.5: short")):
            cells = [bench.make_cell(name) for name in sweep.cells.values()]
            self.results = report.Results(cells)
            for cell in cells:
                grown = factor if cell.streams == 10000 else 1
                for contender, cost in (("culvert", 2), ("grpc_cpp a/a", 30)):
                    self.results.add(cell, contender, {"rate": 1e6 / cost, "client_us_per_op": cost * grown, "server_us_per_op": cost * grown,
                                                       "errors": 0})
            self.assertEqual(self.results.cost(cells[0], "culvert"), 4)
            table = report.sweep_table(self.results, sweep)
            self.assertIn("CPU time per operation of culvert at 10,000 over that at 100: " + verdict, table)
            self.assertEqual(table.count("held to"), 1)
            self.assertIn("culvert us/op", table.splitlines()[0])
            self.assertIn("| 500,000    | 4.00 ", table)
            names = [name for name, _ in report.plots(self.results, bench.SWEEPS, bench.describe)]
            self.assertLessEqual({"cost_streams.svg", "throughput_streams.svg"}, set(names))
        self.assertEqual(report.sweep_table(report.Results(cells), sweep), "")

    def test_cost_needs_both_sides(self):
        self.results.add(RATE_CELL, "culvert", {"rate": 1, "client_us_per_op": 3, "errors": 0})
        self.assertIsNone(self.results.cost(RATE_CELL, "culvert"))

    def test_markdown_is_aligned(self):
        self.assertEqual(report.markdown(["a", "b"], [["long", "x"]]), "| a    | b |\n| ---- | - |\n| long | x |\n")


class Plot(unittest.TestCase):
    def check(self, svg):
        """It is XML, and nothing lies outside."""
        root = xml.etree.ElementTree.fromstring(svg)
        for element in root.iter():
            for name in ("x", "x1", "x2", "cx", "y", "y1", "y2", "cy"):
                if name in element.attrib:
                    self.assertTrue(0 <= float(element.attrib[name]) <= plot.WIDTH, element.attrib)
        return root

    def test_plots_are_well_formed(self):
        series = {"a <&> b": [(0, 0), (1, 5), (10, 1e6)], "c": [(1, 0.25), (10, 3)]}
        for x_log in (False, True):
            for y_log in (False, True):
                root = self.check(plot.lines('T & "t"', "<x>", "y", series, x_log=x_log, y_log=y_log))
                self.assertEqual(len(root.findall("{*}polyline")), 2)
                self.assertEqual(len(root.findall("{*}circle")), 5)
        self.check(plot.lines("t", "x", "y", {"a": [(1, 0), (1, 0)]}, y_log=True))
        self.check(plot.lines("t", "x", "y", {"a": [(0, 7), (1, -7)]}, x_names=("p50", "p99")))

    def test_larger_is_higher_and_to_the_right(self):
        root = self.check(plot.lines("t", "x", "y", {"a": [(1, 10), (100, 1000)]}, x_log=True))
        low, high = ((float(c.get("cx")), float(c.get("cy"))) for c in root.findall("{*}circle"))
        self.assertLess(low[0], high[0])
        self.assertGreater(low[1], high[1])

    def test_a_contender_keeps_its_colour(self):
        alone = self.check(plot.lines("t", "x", "y", {"b": [(0, 1), (1, 1)]}, order=("a", "b")))
        both = self.check(plot.lines("t", "x", "y", {"a": [(0, 1), (1, 1)], "b": [(0, 1), (1, 1)]}))
        self.assertEqual(alone.find("{*}polyline").get("stroke"), both.findall("{*}polyline")[1].get("stroke"))


class Idle(unittest.TestCase):
    def test_frames(self):
        self.assertEqual(idle.frame(idle.SETTINGS, 0, 0), bytes.fromhex("000000040000000000"))
        self.assertEqual(idle.frame(idle.HEADERS, 4, 3, b"xy"), bytes.fromhex("000002010400000003") + b"xy")
        self.assertEqual(idle.literal("te", "trailers"), b"\x00\x02te\x08trailers")


SERVER = """
    import signal, socket, sys
    listener = socket.create_server(("127.0.0.1", 0))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("READY 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    signal.pause()
"""
LOAD = """
    import json, os, sys
    flags = dict(argument.lstrip("-").partition("=")[::2] for argument in sys.argv[1:])
    rate = RATE * int(flags["streams"]) / (2 if os.environ.get("CULVERT_HTTP2_REUSE_FRAMES") == "0" else 1)
    bulk = {"bulk_mib_per_s": 7, "p99_us": 9} if flags.get("bulk_streams") == "1" else {}
    print(json.dumps(dict({"rate": rate, "p50_us": 3, "p90_us": 4, "p99_us": 6, "p999_us": 7, "errors": 0, "stream_ops_min": 5, "stream_ops_max": 10,
                           "connection_ops_min": 0, "connection_ops_max": 1, "stream_jain": 0.9, "connection_jain": 0.8, "flags": flags}, **bulk)))
"""
TLS_SERVER = """
    import signal, socket, ssl, sys
    flags = dict(argument.lstrip("-").partition("=")[::2] for argument in sys.argv[1:])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(flags["tls_certificate"], flags["tls_key"])
    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("READY 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    while True:
        context.wrap_socket(listener.accept()[0], server_side=True).close()
"""


class Runs(unittest.TestCase):
    """Whole runs, of programs that only pretend."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.addCleanup(os.environ.pop, "CULVERT_PEERS_DIR", None)
        os.environ["CULVERT_PEERS_DIR"] = os.path.join(self.directory, "nothing")
        for name, text in (("server", SERVER), ("load", LOAD.replace("RATE", "600")), ("grpc_cpp_server", SERVER),
                           ("grpc_cpp_load", LOAD.replace("RATE", "100"))):
            self.program(name, text)

    def program(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!%s\n%s" % (sys.executable, textwrap.dedent(text)))
        os.chmod(path, 0o755)

    def bench(self, *arguments):
        """Returns the exit code, what it printed, and results.json."""
        out = os.path.join(self.directory, "out")
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = bench.main(["--binaries=" + self.directory, "--out=" + out, "--rounds=3", *arguments])
        with open(os.path.join(out, "results.json"), encoding="utf-8") as file:
            return code, said.getvalue(), json.load(file)

    def test_a_run(self):
        code, said, results = self.bench("unary_1x100", "unary_1x10", "--grpc=callback/async")
        self.assertEqual(code, 0, said)
        cell = results["cells"][0]
        self.assertEqual(cell["verdict"], [6, True, True])
        self.assertEqual(cell["contenders"]["culvert"]["median"], 60000)
        self.assertEqual(len(cell["contenders"]["grpc_cpp callback/async"]["runs"]), 3)
        self.assertIn("6.00 x grpc_cpp", said)
        self.assertIn("tonic takes no part: there is no tonic-bench-server; bench/peers/install_peers installs it", said)
        self.assertIn("[1 of 12, ", said)
        order = [line.split("]")[1].split()[:2] for line in said.splitlines() if line.startswith("[")]
        self.assertEqual(order, 3 * [["unary_1x100", "culvert"], ["unary_1x100", "grpc_cpp"], ["unary_1x10", "culvert"],
                                     ["unary_1x10", "grpc_cpp"]])
        files = os.listdir(os.path.join(self.directory, "out"))
        self.assertEqual(sorted(files), ["latency_unary_1x10.svg", "latency_unary_1x100.svg", "results.json", "results.md",
                                         "throughput_streams.svg"])

    def test_a_bulk_stream_beside_small_calls(self):
        code, said, results = self.bench("bulk_upload_beside_small", "--grpc=callback/async", "--rounds=1")
        self.assertEqual(code, 0, said)
        cell = results["cells"][0]
        self.assertEqual(cell["verdict"], [1.5, True, None])
        run = cell["contenders"]["culvert"]["runs"][0]
        self.assertEqual((run["p99_alone_us"], run["p99_us"], run["bulk_mib_per_s"]), (6, 9, 7))
        self.assertEqual(run["flags"]["bulk_call"], "client_stream")
        self.assertEqual(set(cell["contenders"]), {"culvert", "grpc_cpp callback/async"})
        self.assertIn("bulk MiB/s", said)

    def test_fairness(self):
        code, said, results = self.bench("fairness_unary_64x100", "--grpc=callback/async", "--rounds=1")
        self.assertEqual(code, 0, said)
        cell = results["cells"][0]
        run = cell["contenders"]["culvert"]["runs"][0]
        self.assertEqual((cell["contenders"]["culvert"]["median"], run["stream_spread"]), (2, 2))
        self.assertNotIn("connection_spread", run)  # one connection got nothing
        self.assertIn("busiest / idlest stream", said)

    def test_reuse_on_and_off(self):
        code, said, results = self.bench("reuse_headers", "unary_1x1", "--grpc=callback/async", "--rounds=1")
        self.assertEqual(code, 0, said)
        cell, other = results["cells"]
        self.assertEqual({name: found["median"] for name, found in cell["contenders"].items()}, {"culvert": 60000, "culvert reuse off": 30000})
        self.assertEqual(cell["contenders"]["culvert"]["runs"][0]["flags"]["metadata_fields"], "40")
        self.assertEqual(set(other["contenders"]), {"culvert", "grpc_cpp callback/async"})

    def test_streams_that_stay_open_raise_the_limit(self):
        for name, raised in (("pingpong_1x1000", True), ("unary_1x1000", False), ("pingpong_64x100", False)):
            self.program("server", "import sys\nif any(a == '--max_concurrent_streams=1000' for a in sys.argv): sys.exit('raised')\n" +
                         textwrap.dedent(SERVER))
            failures = self.bench(name, "--contenders=culvert", "--rounds=1")[2]["cells"][0]["failures"]
            self.assertEqual("raised" in failures.get("culvert", ""), raised, name)

    def test_tls_is_of_one_cipher_suite(self):
        self.program("server", TLS_SERVER)
        self.program("grpc_cpp_server", "import os\nos.environ.pop('OPENSSL_CONF')\n" + "os.execv(%r, [%r] + __import__('sys').argv[1:])" % (
            os.path.join(self.directory, "server"), "server"))
        code, said, results = self.bench("tls_unary_1x100", "--grpc=callback/async", "--rounds=1")
        self.assertEqual(code, 0, said)
        cell = results["cells"][0]
        run = cell["contenders"]["culvert"]["runs"][0]
        self.assertEqual(run["cipher"], "TLSv1.3 TLS_AES_128_GCM_SHA256")
        self.assertTrue(run["flags"]["tls_roots"].endswith("certificate.pem"))
        self.assertIn("TLS: TLSv1.3 TLS_AES_128_GCM_SHA256", said)
        # One that does not hold to it is left out.
        self.assertIn("the server chose TLSv1.3 with", cell["failures"]["grpc_cpp callback/async"])

    def test_a_peer_that_fails_is_left_out(self):
        self.program("grpc_cpp_server", "import sys\nsys.exit('no port is free')")
        code, said, results = self.bench("unary_1x100", "--grpc=callback/async")
        self.assertEqual(code, 0, said)
        self.assertIn("grpc_cpp_server did not get ready: no port is free", results["cells"][0]["failures"]["grpc_cpp callback/async"])
        self.assertEqual(said.count("FAILED"), 1)
        self.assertEqual(len(results["cells"][0]["contenders"]["culvert"]["runs"]), 3)

    def test_culvert_that_fails_fails_the_run(self):
        self.program("load", "import sys\nprint('it is late', file=sys.stderr)\nsys.exit(3)")
        code, said, results = self.bench("unary_1x100")
        self.assertEqual(code, 1, said)
        self.assertIn("load failed with 3: it is late", results["cells"][0]["failures"]["culvert"])
        self.assertIn("Culvert failed in unary_1x100", said)
        self.assertEqual(len(results["cells"][0]["contenders"]), 2)

    def test_output_that_is_not_understood(self):
        for text in ("print('fine')", "print('{}')", "print('{\"rate\": 1}')"):
            self.program("load", text)
            self.assertEqual(self.bench("unary_1x100", "--contenders=culvert")[0], 1, text)

    def test_flags_that_make_no_sense(self):
        for flag in ("nonsense", "--rounds=0", "--duration=5", "--grpc=callback", "--contenders=brpc"):
            with self.subTest(flag), contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as ended:
                bench.main([flag])
            self.assertEqual(ended.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
