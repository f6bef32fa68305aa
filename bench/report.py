# SPDX-License-Identifier: Apache-2.0
"""Results as Markdown: the machine, a table for each figure, ratios, and what went wrong."""

import re

from figures import FIGURES, Value, anomalies, points, value_of

BUSY = 0.7  # load average before the first run above which the report warns

# Figures of a server that is in no package registry: measured once, on another day, on a similar machine. Only for the fan-out table.
QUOTED = {"uWebSockets (quoted)": {"w1": 0.83, "w3": 0.33, "w10": 3.9}}


def number(value, digits):
    """digits: after the point; None: three significant digits."""
    return f"{value:.3g}" if digits is None else f"{value:,.{digits}f}"


def cell(value, digits):
    """median (least to most); † if the server did not keep up."""
    if value is None:
        return "–"
    if not value.values:
        return "overload"
    text = number(value.median, digits)
    if len(value.values) > 1:
        text += f" ({number(min(value.values), digits)} to {number(max(value.values), digits)})"
    return text + (" †" if value.overloaded else "")


def table(head, rows):
    """A Markdown table whose columns are aligned in its source."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    dashes = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    def join(line):
        return "| " + " | ".join(text.ljust(width) if i == 0 else text.rjust(width)
                                 for i, (text, width) in enumerate(zip(line, widths))) + " |"
    return "\n".join([join(head), join(dashes), *map(join, rows)])


def point_text(point):
    run, step = point
    return " ".join(part for part in (run, step) if part) or "all"


def figure_table(results, scenario, key):
    where = points(results, scenario)
    rows = []
    for contender in scenario["contenders"]:
        values = [value_of(results, scenario, key, contender, point) for point in where]
        if any(values):
            rows.append([contender, *(cell(value, FIGURES[key].digits) for value in values)])
    if (scenario["name"], key) == ("fanout", "cpu_us_per_delivery"):
        for name, quoted in QUOTED.items():
            rows.append([name, *(str(quoted.get(step, "–")) for _, step in where)])
    return table([FIGURES[key].title, *map(point_text, where)], rows)


def ratio_of(ours, other):
    """The Value of the ratios within each round."""
    if not ours or not other:
        return None
    rounds = [number for number in ours.by_round if other.by_round.get(number)]
    ratios = {number: ours.by_round[number] / other.by_round[number] for number in rounds}
    return Value(ratios, ours.overloaded or other.overloaded)


def ratio_table(results, scenario):
    """The first figure of Stoa as a multiple of the others'. Empty if there is nothing to compare with."""
    key, where, rows = scenario["figures"][0], points(results, scenario), []
    for ours in [name for name in scenario["contenders"] if name.startswith("stoa")]:
        for other in [name for name in scenario["contenders"] if not name.startswith("stoa")]:
            ratios = [ratio_of(*(value_of(results, scenario, key, name, point) for name in (ours, other))) for point in where]
            if any(ratios):
                rows.append([f"{ours} ÷ {other}", *(cell(ratio, None) for ratio in ratios)])
    return table([f"ratio of {FIGURES[key].title}", *map(point_text, where)], rows) if rows else ""


def column_table(results, scenario):
    """One contender: a row for each point, a column for each figure."""
    contender, rows = scenario["contenders"][0], []
    for point in points(results, scenario):
        values = [value_of(results, scenario, key, contender, point) for key in scenario["figures"]]
        rows.append([point_text(point), *(cell(value, FIGURES[key].digits) for key, value in zip(scenario["figures"], values))])
    return table([contender, *(FIGURES[key].title for key in scenario["figures"])], rows)


def highest_rate(results, scenario):
    """The highest rate of durable messages at which p99 of acknowledgement and of delivery are below 100 ms."""
    best, (contender,) = {}, scenario["contenders"]
    for run, step in points(results, scenario):
        values = [value_of(results, scenario, key, contender, (run, step)) for key in ("answer_p99_ms", "delivery_p99_ms")]
        if all(value.values and not value.overloaded and value.median < 100 for value in values):
            best[run] = step
    return "".join(f"\nHighest rate with p99 of acknowledgement and delivery below 100 ms, {run}: {step[1:]} messages/s.\n"
                   for run, step in best.items())


def section(results, scenario):
    parts = [f"{scenario['about']}\n"]
    if len(scenario["contenders"]) == 1:
        parts.append(column_table(results, scenario) + "\n")
    else:
        parts += [figure_table(results, scenario, key) + "\n" for key in scenario["figures"]]
        parts.append(ratio_table(results, scenario) + "\n")
    if scenario["name"] == "durable":
        parts.append(highest_rate(results, scenario))
    return "\n".join(part for part in parts if part.strip())


def sections(measured):
    """[(title, text)] of the scenarios that have results."""
    results = measured["results"]
    return [(scenario["title"], section(results, scenario)) for scenario in measured["scenarios"]
            if any(result["scenario"] == scenario["name"] for result in results)]


def machine_table(measured):
    return table(["", ""], [[name, value] for name, value in measured["machine"].items()]) + "\n"


def update(page, measured):
    """Replaces the sections of the page that have the titles of these. Raises ValueError if one is missing."""
    dated = [(title, f"Measured {measured['started']}, load average before it {measured['machine']['load before']}.\n\n{text}")
             for title, text in sections(measured)]
    for title, text in [*dated, ("Machine", machine_table(measured))]:
        heading = f"### {title}\n"
        page, found = re.subn(rf"(?ms)^{re.escape(heading)}.*?(?=^##|^<!--)", lambda _: f"{heading}\n{text}\n", page)
        if found != 1:
            raise ValueError(f"the page has no section '{title}'")
    return page


def markdown(measured):
    """measured: the results that run.py keeps: {machine, started, scenarios, results}."""
    results = measured["results"]
    lines = ["# Stoa beside what you would use instead\n",
             f"Measured {measured['started']}: loopback, server on one core, load on the other. Medians of the rounds (least to most); "
             "the contenders of a round ran one after another, so compare within a table; ratios are of one round each. † the server did not follow the rate.\n",
             "![Plot](plot.svg)\n"]
    if float(measured["machine"]["load before"]) > BUSY:
        lines.insert(1, "**The machine was busy with something else: these figures say little.**\n")
    lines += [f"## {title}\n\n{text}" for title, text in sections(measured)]
    wrong = list(anomalies(results))
    lines.append("## Counts\n\n" + ("\n".join(f"- {sentence}" for sentence in wrong) + "\n" if wrong else
                 "Every message arrived at every receiver that was due one, once and in order, in all runs that were not overloaded.\n"))
    lines.append("## Machine\n\n" + machine_table(measured))
    return "\n".join(lines)
