"""What the runs of tools/bench come to: medians, ratios, tables and plots.

    results = Results(cells)
    results.add(cell, "culvert", {"rate": 5e5, "errors": 0, ...})
    print(ratio_table(results))

Pure: runs nothing and writes nothing. A cell is a row of the table: tools/bench says what it consists of.
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

    def errors(self, cell, contender):
        return sum(self.values(cell, contender, "errors"))

    def best(self, cell, name):
        """(median, contender) of the best that are called `name` or are modes of it; None when there is none."""
        found = [(self.median(cell, contender), contender) for contender in self.runs[cell.name] if contender.split()[0] == name]
        return (max if cell.metric.higher_is_better else min)(found) if found else None

    def ratio(self, cell, name):
        """How many times better Culvert is, whichever direction better is; None when that cannot be said."""
        culvert, other = self.median(cell, "culvert"), self.best(cell, name)
        if not culvert or not other or not other[0]:
            return None
        return culvert / other[0] if cell.metric.higher_is_better else other[0] / culvert

    def verdict(self, cell):
        """(value, floor is reached, aim is reached); None when there is nothing to hold Culvert to, or it was not measured."""
        value = self.ratio(cell, cell.against) if cell.against else self.median(cell, "culvert")
        if value is None or cell.floor is None:
            return None
        higher = cell.metric.higher_is_better or cell.against is not None
        return value, *(value >= bound if higher else value <= bound for bound in (cell.floor, cell.aim))

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


def ratio_table(results):
    def held_to(cell):
        verdict = results.verdict(cell)
        if verdict is None:
            return ["-"] + [number(bound, 2) for bound in (cell.floor, cell.aim)]
        value = "%.2f %s" % (verdict[0], "x " + cell.against if cell.against else cell.metric.unit)
        return [value] + ["%g %s" % (bound, "ok" if reached else "short") for bound, reached in zip((cell.floor, cell.aim), verdict[1:])]

    rows = []
    for cell in results.cells:
        best = results.best(cell, "grpc_cpp")
        rows.append([cell.name, "%s %s" % (number(results.median(cell, "culvert"), cell.metric.digits), cell.metric.unit),
                     "%s %s" % (number(best[0], cell.metric.digits), best[1].partition(" ")[2]) if best else "-"] +
                    [number(results.ratio(cell, name), 2) for name in ("grpc_cpp", "grpc-go", "tonic", "nghttpd")] + held_to(cell))
    return markdown(["cell", "Culvert", "gRPC C++, best mode", "x gRPC C++", "x grpc-go", "x tonic", "x nghttpd", "held to", "floor", "aim"],
                    rows)


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


def plots(results, sweeps, describe):
    """Yields (file name, SVG). `sweeps` have a name, an x_label and cells, {x: cell's name}; describe(cell) is the title of its plot."""
    by_name = {cell.name: cell for cell in results.cells}
    order = list(dict.fromkeys(name for runs in results.runs.values() for name in runs))

    def drawn(points_of, cells):
        """{contender: points}, without those of whom there is only one."""
        series = {name: points_of(name) for name in order if any(name in results.runs[cell.name] for cell in cells)}
        return {name: points for name, points in series.items() if len(points) > 1}

    for sweep in sweeps:
        cells = {x: by_name[name] for x, name in sweep.cells.items() if name in by_name}
        series = drawn(lambda name: [(x, y) for x, cell in cells.items() if (y := results.median(cell, name))], cells.values())
        if series:
            yield "throughput_%s.svg" % sweep.name, plot.lines("Throughput", sweep.x_label, "operations per second", series, x_log=True,
                                                               order=order)
    for cell in results.cells:
        if cell.kind == "load":
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
