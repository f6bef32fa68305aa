# SPDX-License-Identifier: Apache-2.0
"""The results as one SVG: bars and lines on logarithmic scales, without a library."""

import math
from xml.sax.saxutils import escape

import report
from figures import points, value_of

COLORS = {"limit": "#8a8f98", "stoa": "#0f766e", "stoa, no window": "#5eb5a6", "stoa /ws": "#99cfc5", "stoa, chat": "#5eb5a6", "socket.io": "#c2410c", "ws": "#e59a5c", "nchan": "#7c6bb0", "centrifugo": "#b0899c",
          "uWebSockets (quoted)": "#c9ccd1"}
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, COLUMNS, GAP = 560, 300, 60, 44, 34, 2, 24

# Each panel: the scenario, the figure, its form, the heading.
PANELS = [("fanout", "cpu_us_per_delivery", "bars", "Fan-out into 1,000 at saturation: server CPU, µs a delivery"),
          ("fixed", "cpu_us_per_delivery", "bars", "Fan-out into 1,000, fixed rate: server CPU, µs a delivery"),
          ("fixed", "delivery_p99_ms", "bars", "Fan-out into 1,000, fixed rate: p99 of delivery, ms"),
          ("idle", "bytes_per_connection", "bars", "Idle connections: bytes of memory each"),
          ("idle", "connections_per_cpu_s", "bars", "Accepting: connections per second of server CPU"),
          ("members", "cpu_us_per_delivery", "lines", "Members of a room: server CPU, µs a delivery (3 outstanding)"),
          ("payload", "cpu_us_per_delivery", "lines", "Bytes of payload, 100 members: server CPU, µs a delivery"),
          ("connections", "cpu_us_per_delivery", "bars", "Connections beside a room of 100: server CPU, µs a delivery")]


class Scale:
    """A scale from one power of ten to another that has room for all values, none at the very bottom."""

    def __init__(self, values):
        self.low = math.floor(math.log10(min(values) / 1.5))
        self.high = max(self.low + 1, math.ceil(math.log10(max(values))))

    def y(self, value):
        share = (math.log10(max(value, 10 ** self.low)) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def ticks(self):
        return [10 ** power for power in range(self.low, self.high + 1)]


def text(x, y, words, anchor="middle", size=11, color="#444", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{color}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def series_of(measured, scenario, key):
    """({contender: [a median or None for each point]}, the points)."""
    where = points(measured["results"], scenario)
    series = {}
    for contender in scenario["contenders"]:
        values = [value_of(measured["results"], scenario, key, contender, point) for point in where]
        series[contender] = [value.median if value and value.values and value.median > 0 else None for value in values]
    if (scenario["name"], key) == ("fanout", "cpu_us_per_delivery"):
        for name, quoted in report.QUOTED.items():
            series[name] = [quoted.get(step) for _, step in where]
    return {name: values for name, values in series.items() if any(values)}, where


def short(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def bars(series, where, scale):
    parts, group = [], (WIDTH - LEFT - 10) / len(where)
    wide = min(46, group * 0.86 / len(series))
    for i in range(len(where)):
        start = LEFT + group * (i + 0.5) - wide * len(series) / 2
        for k, (name, values) in enumerate(series.items()):
            if values[i] is None:
                continue
            x, y = start + k * wide, scale.y(values[i])
            parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide - 2:.1f}" height="{HEIGHT - BOTTOM - y:.1f}" '
                         f'fill="{COLORS.get(name, "#999")}"/>')
            parts.append(text(x + wide / 2 - 1, y - 3, short(values[i]), size=9))
    return parts


def lines(series, where, scale):
    parts, apart = [], (WIDTH - LEFT - 60) / max(1, len(where) - 1)
    for name, values in series.items():
        dots = [(LEFT + 25 + i * apart, scale.y(value)) for i, value in enumerate(values) if value]
        color = COLORS.get(name, "#999")
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color}"/>' for x, y in dots]
    return parts


def panel(measured, scenario, key, form, heading):
    series, where = series_of(measured, scenario, key)
    scale = Scale([value for values in series.values() for value in values if value])
    parts = [text(LEFT, 18, heading, "start", 13, "#111", "bold")]
    for tick in scale.ticks():
        y = scale.y(tick)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e3e5e8"/>')
        parts.append(text(LEFT - 6, y + 4, f"{tick:g}" if tick < 1 else f"{tick:,.0f}", "end"))
    for i, point in enumerate(where):
        x = (LEFT + (WIDTH - LEFT - 10) * (i + 0.5) / len(where) if form == "bars"
             else LEFT + 25 + i * (WIDTH - LEFT - 60) / max(1, len(where) - 1))
        parts.append(text(x, HEIGHT - BOTTOM + 16, report.point_text(point)))
    return parts + (bars if form == "bars" else lines)(series, where, scale)


def legend(names, y):
    parts, x = [], LEFT
    for name in names:
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{COLORS.get(name, "#999")}"/>')
        parts.append(text(x + 18, y, name, "start", 12))
        x += 40 + 8 * len(name)
    return parts


def svg(measured):
    """The whole picture of the measured results."""
    by_name = {scenario["name"]: scenario for scenario in measured["scenarios"]}
    drawn = [(by_name[name], key, *rest) for name, key, *rest in PANELS
             if name in by_name and any(series_of(measured, by_name[name], key)[0].values())]
    shown = [name for name in COLORS if any(name in series_of(measured, scenario, key)[0] for scenario, key, *_ in drawn)]
    rows = (len(drawn) + COLUMNS - 1) // COLUMNS
    wide, high = COLUMNS * (WIDTH + GAP) + GAP, rows * (HEIGHT + GAP) + 70
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
             'font-family="system-ui, sans-serif">', f'<rect width="{wide}" height="{high}" fill="white"/>',
             *legend(shown, 28), text(wide - GAP, 28, "logarithmic scales; medians", "end", 11, "#888")]
    for i, drawing in enumerate(drawn):
        x, y = GAP + i % COLUMNS * (WIDTH + GAP), 46 + i // COLUMNS * (HEIGHT + GAP)
        parts += [f'<g transform="translate({x} {y})">', *panel(measured, *drawing), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"
