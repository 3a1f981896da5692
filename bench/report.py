"""What the runs of tools/bench come to: medians, ratios, tables and plots.

    results = Results(cells)
    results.add(cell, "culvert", {"rate": 5e5, "errors": 0, ...})
    print(tables(results, sweeps))

Pure: runs nothing and writes nothing. A cell is a row of the table, and a sweep a row of cells: tools/bench says what they consist of.
"""

import statistics

import plot


class Results:
    """All runs of all cells, and what they come to."""

    def __init__(self, cells):
        self.cells = cells
        self.runs = {cell.name: {} for cell in cells}  # of each contender, in turn
        self.failures = {cell.name: {} for cell in cells}  # why a contender is left out

    def add(self, cell, contender, figures):
        self.runs[cell.name].setdefault(contender, []).append(figures)

    def values(self, cell, contender, key=None):
        return [figures[key or cell.metric.key] for figures in self.runs[cell.name].get(contender, []) if (key or cell.metric.key) in figures]

    def median(self, cell, contender, key=None):
        """None when there is none."""
        values = self.values(cell, contender, key)
        return statistics.median(values) if values else None

    def cost(self, cell, contender):
        """CPU time of server and client per operation; None when one of them is not known."""
        sides = [self.median(cell, contender, key) for key in ("client_us_per_op", "server_us_per_op")]
        return None if None in sides else sum(sides)

    def order(self):
        """All contenders, as they came."""
        return list(dict.fromkeys(name for runs in self.runs.values() for name in runs))

    def errors(self, cell, contender):
        return sum(self.values(cell, contender, "errors"))

    def best(self, cell, name):
        """(median, contender) of the best that are called `name` or are modes of it; None when there is none."""
        found = [(self.median(cell, contender), contender) for contender in self.runs[cell.name] if name in (contender, contender.split()[0])]
        return (max if cell.metric.higher_is_better else min)(found) if found else None

    def ratio(self, cell, name):
        """How many times better Culvert is, whichever direction better is: the median over the rounds, since in one round a machine that others use
        too is about as fast for both. None when it cannot be said."""
        other = self.best(cell, name)
        rounds = zip(self.values(cell, "culvert"), self.values(cell, other[1])) if other else ()
        ratios = [culvert / peer if cell.metric.higher_is_better else peer / culvert for culvert, peer in rounds if culvert and peer]
        return statistics.median(ratios) if ratios else None

    def verdict(self, cell):
        """(value, floor is reached, aim is reached, None when there is no aim); None when there is nothing to hold Culvert to, or it was not
        measured."""
        value = self.ratio(cell, cell.against) if cell.against else self.median(cell, "culvert")
        if value is None or cell.floor is None:
            return None
        higher = cell.metric.higher_is_better or cell.against is not None
        return value, *(None if bound is None else value >= bound if higher else value <= bound for bound in (cell.floor, cell.aim))

    def culvert_failed(self):
        """The cells in which it did."""
        return [cell.name for cell in self.cells if "culvert" in self.failures[cell.name] or self.errors(cell, "culvert")]

    def as_json(self):
        def summary(cell, contender):
            values = self.values(cell, contender)
            return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": self.runs[cell.name][contender]}

        return [dict(cell._asdict(), metric=cell.metric.key, unit=cell.metric.unit, verdict=self.verdict(cell),
                     contenders={name: summary(cell, name) for name in self.runs[cell.name]}, failures=self.failures[cell.name])
                for cell in self.cells]


def number(value, digits):
    return "-" if value is None else "{:,.{}f}".format(value, digits)


def markdown(header, rows):
    """A table of strings, aligned for those who read it unrendered."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "".join("| %s |\n" % " | ".join(text.ljust(width) for text, width in zip(line, widths)) for line in lines)


def tables(results, sweeps):
    """All of them, the details last."""
    whole = [ratio_table(results), *(kind_table(results, kind) for kind in COLUMNS), *(sweep_table(results, sweep) for sweep in sweeps)]
    ciphers = sorted({cipher for cell in results.cells for name in results.runs[cell.name] for cipher in results.values(cell, name, "cipher")})
    if ciphers:
        whole.append("TLS: %s\n" % ", ".join(ciphers))
    return "\n".join(part for part in [*whole, detail_table(results)] if part)


def ratio_table(results):
    def held_to(cell):
        verdict = results.verdict(cell)
        if verdict is None:
            ratio = results.ratio(cell, cell.against) if cell.against else None
            return [number(ratio, 2) + (" x " + cell.against if ratio else "")] + [number(bound, 2) for bound in (cell.floor, cell.aim)]
        value = "%.2f %s" % (verdict[0], "x " + cell.against if cell.against else cell.metric.unit)
        return [value] + ["-" if bound is None else "%g %s" % (bound, "ok" if reached else "short")
                          for bound, reached in zip((cell.floor, cell.aim), verdict[1:])]

    rows = []
    for cell in results.cells:
        best = results.best(cell, "grpc_cpp")
        rows.append([cell.name, "%s %s" % (number(results.median(cell, "culvert"), cell.metric.digits), cell.metric.unit),
                     "%s %s" % (number(best[0], cell.metric.digits), best[1].partition(" ")[2]) if best else "-"] +
                    [number(results.ratio(cell, name), 2) for name in ("grpc_cpp", "grpc-go", "tonic", "nghttpd")] + held_to(cell))
    return markdown(["cell", "Culvert", "gRPC C++, best mode", "x gRPC C++", "x grpc-go", "x tonic", "x nghttpd", "held to", "floor", "aim"],
                    rows)


# What a cell of that kind tells beyond the others: (key, heading, digits).
COLUMNS = {
    "fairness": (("p50_us", "p50 us", 1), ("p99_us", "p99 us", 1), ("p99_over_p50", "p99 / p50", 2),
                 ("stream_spread", "busiest / idlest stream", 2), ("stream_jain", "Jain, streams", 4),
                 ("connection_spread", "busiest / idlest connection", 2), ("connection_jain", "Jain, connections", 4)),
    "bulk": (("p50_alone_us", "p50 us alone", 1), ("p50_us", "p50 us beside bulk", 1), ("p99_alone_us", "p99 us alone", 1),
             ("p99_us", "p99 us beside bulk", 1), ("p99_growth", "p99 grows by", 2), ("rate_alone", "calls/s alone", 0),
             ("rate", "calls/s beside bulk", 0), ("bulk_mib_per_s", "bulk MiB/s", 1)),
}


def kind_table(results, kind):
    """The medians of COLUMNS; empty when no such cell was measured."""
    rows = [[cell.name, contender] + [number(results.median(cell, contender, key), digits) for key, _, digits in COLUMNS[kind]]
            for cell in results.cells if cell.kind == kind for contender in results.runs[cell.name]]
    return markdown(["cell", "contender"] + [heading for _, heading, _ in COLUMNS[kind]], rows) if rows else ""


def sweep_table(results, sweep):
    """Rates, and CPU time per operation of client and server together; empty when less than two of its cells were measured."""
    by_name = {cell.name: cell for cell in results.cells}
    cells = {x: by_name[name] for x, name in sweep.cells.items() if name in by_name and results.runs[name]}
    if len(cells) < 2:
        return ""
    order = [name for name in results.order() if any(name in results.runs[cell.name] for cell in cells.values())]
    rows = [[number(x, 0)] + [number(value, digits) for name in order for value, digits in (
        (results.median(cell, name), 0), (results.cost(cell, name), 2))] for x, cell in cells.items()]
    out = markdown([sweep.x_label] + ["%s %s" % (name, what) for name in order for what in (cells[next(iter(cells))].metric.unit, "us/op")], rows)
    if sweep.held and all(x in cells for x in sweep.held[:2]):
        small, large, bound = sweep.held
        for name in order:
            before, after = (results.cost(cells[x], name) for x in (small, large))
            if before and after is not None:
                verdict = ", held to %g: %s" % (bound, "ok" if after <= bound * before else "short") if name == "culvert" else ""
                out += "CPU time per operation of %s at %s over that at %s: %.2f%s\n" % (name, number(large, 0), number(small, 0), after / before,
                                                                                    verdict)
    return out


def detail_table(results):
    rows = []
    for cell in results.cells:
        for contender in results.runs[cell.name]:
            values = results.values(cell, contender)
            rows.append([cell.name, contender, number(statistics.median(values), cell.metric.digits) + " " + cell.metric.unit,
                         " .. ".join(number(bound, cell.metric.digits) for bound in (min(values), max(values)))] + [
                             number(results.median(cell, contender, key), digits) for key, digits in (
                                 ("p50_us", 1), ("p99_us", 1), ("client_us_per_op", 2), ("server_us_per_op", 2))] + [
                                     str(results.errors(cell, contender))])
        rows += [[cell.name, contender, "failed", why, "", "", "", "", ""] for contender, why in results.failures[cell.name].items()]
    return markdown(["cell", "contender", "median", "min .. max", "p50 us", "p99 us", "client us/op", "server us/op", "errors"], rows)


def spans_decades(series):
    """Whether a linear axis would show the small values as nothing."""
    values = [y for points in series.values() for _, y in points]
    return max(values) > 100 * min(values)


def plots(results, sweeps, describe):
    """Yields (file name, SVG). `sweeps` have a name, an x_label and cells, {x: cell's name}; describe(cell) is the title of its plot."""
    by_name = {cell.name: cell for cell in results.cells}
    order = results.order()

    def drawn(points_of, cells):
        """{contender: points}, without those of whom there is only one."""
        series = {name: points_of(name) for name in order if any(name in results.runs[cell.name] for cell in cells)}
        return {name: points for name, points in series.items() if len(points) > 1}

    for sweep in sweeps:
        cells = {x: by_name[name] for x, name in sweep.cells.items() if name in by_name}
        series = drawn(lambda name: [(x, y) for x, cell in cells.items() if (y := results.median(cell, name))], cells.values())
        if series:
            yield "throughput_%s.svg" % sweep.name, plot.lines("Throughput", sweep.x_label, "operations per second", series, x_log=True,
                                                               y_log=spans_decades(series), order=order)
        series = drawn(lambda name: [(x, y) for x, cell in cells.items() if (y := results.cost(cell, name))], cells.values())
        if series:
            yield "cost_%s.svg" % sweep.name, plot.lines("CPU time of an operation, client and server", sweep.x_label, "us", series, x_log=True,
                                                         y_log=spans_decades(series), order=order)
    for cell in results.cells:
        if cell.kind in ("load", "fairness", "bulk"):
            keys = ("p50_us", "p90_us", "p99_us", "p999_us")
            series = drawn(lambda name: [(i, y) for i, key in enumerate(keys) if (y := results.median(cell, name, key))], [cell])
            if series:
                yield "latency_%s.svg" % cell.name, plot.lines("Latency: " + describe(cell), "percentile", "us", series, y_log=True,
                                                               x_names=("50", "90", "99", "99.9"), order=order)
        elif cell.kind == "idle":
            series = drawn(lambda name: [(steps[0][0], statistics.median(kib for _, kib in steps) / 1024)
                                         for steps in zip(*results.values(cell, name, "curve"))], [cell])
            if series:
                yield "memory_%s.svg" % cell.name, plot.lines("Memory of the server", "idle " + ("streams" if cell.streams else "connections"),
                                                              "MiB", series, order=order)
