"""Line charts as SVG, with nothing but the standard library.

    svg = lines("Throughput", "connections", "calls per second", {"culvert": [(1, 5e5), (64, 7e5)]}, x_log=True)

Pure: numbers in, text out. tools/bench is who uses it.
"""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 440
LEFT, RIGHT, TOP, BOTTOM = 80, 210, 50, 60  # margins; the legend is in the right one
COLOURS = ("#0b6e4f", "#c1121f", "#e07a00", "#1d70b8", "#7b2d8b", "#6b705c", "#d4a017", "#3d405b")


class Axis:
    """Maps values to pixels, and knows which ticks to show."""

    def __init__(self, values, log, begin, end):
        self.log, self.begin, self.end = log and max(values) > 0, begin, end
        if self.log:
            positive = [value for value in values if value > 0]
            self.low, self.high = 10 ** math.floor(math.log10(min(positive))), 10 ** math.ceil(math.log10(max(positive)))
            self.high = max(self.high, self.low * 10)
            self.ticks = [10 ** k for k in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]
        else:
            self.low = min([0, *values])
            step = nice_step((max(values) - self.low) or 1)
            self.high = self.low + step * max(1, math.ceil((max(values) - self.low) / step - 1e-9))
            self.ticks = [self.low + step * k for k in range(round((self.high - self.low) / step) + 1)]

    def at(self, value):
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)  # what is not positive is at the edge
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)


def nice_step(span):
    """A step of 1, 2 or 5 times a power of ten, of which four to nine make up `span`."""
    power = 10 ** math.floor(math.log10(span / 4))
    return next(step * power for step in (5, 2, 1) if step * power <= span / 4)


def label(value):
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= unit:
            return "%g%s" % (round(value / unit, 3), name)
    return "%g" % round(value, 6)


def text(x, y, what, **attributes):
    return '<text x="%.1f" y="%.1f" %s>%s</text>' % (x, y, attributes_of(attributes), escape(what))


def line(x1, y1, x2, y2, **attributes):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>' % (x1, y1, x2, y2, attributes_of(attributes))


def attributes_of(attributes):
    return " ".join('%s="%s"' % (name.replace("_", "-"), value) for name, value in attributes.items())


def lines(title, x_label, y_label, series, x_log=False, y_log=False, x_names=None, order=()):
    """The chart of `series`, {name: [(x, y), ...]}, of which none is empty.

    x_names: what to call x = 0, 1, ... instead of numbers. order: all names of several charts, for each to have its colour in all of them.
    """
    points = [point for values in series.values() for point in values]
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    x_axis = Axis([x for x, _ in points], x_log, LEFT, right)
    y_axis = Axis([y for _, y in points], y_log, bottom, TOP)
    ticks = [(tick, label(tick)) for tick in x_axis.ticks]
    if x_names:
        x_axis.low, x_axis.high = 0, len(x_names) - 1
        ticks = list(enumerate(x_names))
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12">' % (
        WIDTH, HEIGHT, WIDTH, HEIGHT), '<rect width="100%" height="100%" fill="white"/>',
           text(LEFT, TOP - 24, title, font_size=15, font_weight="bold")]
    for tick, name in ticks:
        x = x_axis.at(tick)
        out += [line(x, TOP, x, bottom, stroke="#eee"), text(x, bottom + 18, name, text_anchor="middle")]
    for tick in y_axis.ticks:
        y = y_axis.at(tick)
        out += [line(LEFT, y, right, y, stroke="#ddd"), text(LEFT - 8, y + 4, label(tick), text_anchor="end")]
    out += [text((LEFT + right) / 2, HEIGHT - 18, x_label, text_anchor="middle"), text(LEFT, TOP - 8, y_label, fill="#555")]
    order = list(dict.fromkeys([*order, *series]))
    for i, (name, values) in enumerate(series.items()):
        colour = COLOURS[order.index(name) % len(COLOURS)]
        places = [(x_axis.at(x), y_axis.at(y)) for x, y in values]
        path = " ".join("%.1f,%.1f" % place for place in places)
        out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="%s"/>' % (path, colour, 3 if i == 0 else 1.8))
        for (x, y), (px, py) in zip(values, places):
            shown = x_names[int(x)] if x_names else label(x)
            out.append('<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"><title>%s</title></circle>' % (
                px, py, colour, escape("%s at %s: %s" % (name, shown, label(y)))))
        y = TOP + 14 + 22 * i
        out += [line(right + 20, y - 4, right + 44, y - 4, stroke=colour, stroke_width=3), text(right + 50, y, name)]
    return "\n".join(out) + "\n</svg>\n"
