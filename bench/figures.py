# SPDX-License-Identifier: Apache-2.0
"""The figures that are read from the results, and their median over the rounds."""

import dataclasses
import statistics


@dataclasses.dataclass
class Figure:
    title: str
    digits: int
    of_step: bool  # otherwise of the whole run
    read: object  # function of that part of bench_load's JSON


def latency(kind, quantile):
    return lambda step: step[kind][f"{quantile}_us"] / 1000


def storms(read):
    return lambda load: statistics.median(read(storm) for storm in load["storms"])


FIGURES = {
    "cpu_us_per_delivery": Figure("server CPU, µs a delivery", 3, True, lambda step: step["cpu_us_per_delivery"]),
    "cpu_us_per_message": Figure("server CPU, µs a message", 1, True, lambda step: step["cpu_us_per_message"]),
    "deliveries_per_s": Figure("deliveries a second", 0, True, lambda step: step["deliveries_per_s"]),
    "server_cpu_percent": Figure("server CPU, % of one core", 0, True, lambda step: step["server_cpu_percent"]),
    "delivery_p50_ms": Figure("delivery p50, ms", 1, True, latency("delivery", "p50")),
    "delivery_p99_ms": Figure("delivery p99, ms", 1, True, latency("delivery", "p99")),
    "delivery_p999_ms": Figure("delivery p99.9, ms", 1, True, latency("delivery", "p999")),
    "answer_p50_ms": Figure("acknowledgement p50, ms", 1, True, latency("answer", "p50")),
    "answer_p99_ms": Figure("acknowledgement p99, ms", 1, True, latency("answer", "p99")),
    "rss_growth_mb": Figure("memory gained, MB", 1, True,
                            lambda step: (step["rss_peak_bytes"] - step["rss_before_bytes"]) / 1e6),
    "question_ns": Figure("ns a question", 0, True, lambda step: step["ns"]),
    "connections_per_cpu_s": Figure("connections per second of server CPU", 0, False,
                                    lambda load: 1e6 / load["connect"]["cpu_us_per_connection"]),
    "cpu_us_per_connection": Figure("server CPU, µs a connection", 0, False,
                                    lambda load: load["connect"]["cpu_us_per_connection"]),
    "bytes_per_connection": Figure("bytes of RSS a connection", 0, False, lambda load: load["bytes_per_connection"]),
    "storm_s": Figure("until all are back, s", 2, False, storms(lambda storm: storm["seconds"])),
    "storm_p99_ms": Figure("p99 of one's own return, ms", 0, False, storms(lambda storm: storm["latency"]["p99_us"] / 1000)),
    "storm_cpu_us": Figure("server CPU, µs a return", 0, False, storms(lambda storm: storm["cpu_us_per_connection"])),
}


@dataclasses.dataclass
class Value:
    """A figure's values over the rounds."""
    by_round: dict
    overloaded: bool

    @property
    def values(self):
        return list(self.by_round.values())

    @property
    def median(self):
        return statistics.median(self.values) if self.by_round else None


def receivers(load):
    return (load["clients"] - load["bystanders"]) / load["channels"] - load["slow"]


def overloaded(load, step):
    """Did the server not keep up with the fixed rate?"""
    if not step.get("complete", True):
        return True
    due = step.get("rate", 0) * receivers(load) if step.get("rate") else 0
    return due > 0 and step["deliveries_per_s"] < 0.9 * due


def points(results, scenario):
    """[(label of the run, name of the step or None)], in the order of measuring."""
    found = []
    for result in results:
        if result["scenario"] != scenario["name"]:
            continue
        of_step = FIGURES[scenario["figures"][0]].of_step
        for name in [step["name"] for step in result["load"]["steps"]] if of_step else [None]:
            if (result["run"], name) not in found:
                found.append((result["run"], name))
    return sorted(found, key=lambda point: [run for run, _ in found].index(point[0]))


def value_of(results, scenario, key, contender, point):
    """The Value of a figure, or None if it was not measured."""
    figure, (run, name), values, over, ran = FIGURES[key], point, {}, False, False
    for result in results:
        if (result["scenario"], result["run"], result["contender"]) != (scenario["name"], run, contender):
            continue
        ran, load = True, result["load"]
        if not figure.of_step:
            values[result["round"]] = figure.read(load)
            continue
        step = next((step for step in load["steps"] if step["name"] == name), None)
        over = over or step is None or overloaded(load, step)
        if step:
            values[result["round"]] = figure.read(step)
    return Value(values, over) if ran else None


def anomalies(results):
    """A sentence for each run in which a message was lost, repeated or out of order."""
    for result in results:
        where = f"{result['scenario']} {result['run']} {result['contender']}, round {result['round']}"
        load = result["load"]
        for step in load["steps"]:
            wrong = [f"{step[word]:,} {word}" for word in ("disordered", "closed", "broken", "refused") if step.get(word)]
            if step.get("lost") and not overloaded(load, step):
                wrong.append(f"{step['lost']:,} lost")
            if step.get("rate") and step["load_cpu_percent"] > 95:
                wrong.append("the load itself was at its end: its latency is no server's")
            if wrong:
                yield f"{where}, {step['name']}: {', '.join(wrong)}"
        for connect in [load.get("connect", {}), *load.get("storms", [])]:
            if connect.get("failed") or connect.get("closed"):
                yield f"{where}: {connect['failed']} connections failed, {connect['closed']} were closed"
