# SPDX-License-Identifier: Apache-2.0
"""The table of scenarios. In each round, every contender does all runs of the scenario."""

import dataclasses


@dataclasses.dataclass
class Run:
    """One start of a contender, and one bench_load against it."""
    label: str = ""
    load: dict = dataclasses.field(default_factory=dict)  # arguments of bench_load
    tls: bool = False
    reload: bool = False  # SIGHUP every second during the run
    hook: tuple = ()  # instead of bench_load: arguments of bench_hook


@dataclasses.dataclass
class Scenario:
    name: str
    title: str
    about: str
    contenders: list
    runs: list
    figures: list  # keys of figures.FIGURES; ratios are of the first
    rounds: int = 3


ALL = ["limit", "stoa", "stoa /ws", "socket.io", "ws", "nchan", "centrifugo"]
STEADY = {"warmup_ms": 500, "measure_ms": 2000, "drain_ms": 5000}
BRIEF = {"warmup_ms": 200, "measure_ms": 700, "drain_ms": 3000}
ROOM = {"clients": 1000, "publishers": 10}
DURABLE_RATES = "r1000,r2000,r3000,r4000,r5000,r6000,r8000"


def fanout(quick):
    pace = BRIEF if quick else STEADY
    return Scenario(
        "fanout", "Fan-out at saturation",
        "One room of 1,000 members, 10 of them publish 128 bytes each, with 1, 3 or 10 messages of their own outstanding (w1, w3, "
        "w10). A closed loop: latency says little here. Stoa sends through its Lua API with recovery on; the limit sends the very "
        "same frame bytes.",
        ALL[:2] + ALL[3:] if quick else ALL, [Run(load={**ROOM, **pace, "steps": "w1,w3,w10"})],
        ["cpu_us_per_delivery", "deliveries_per_s"], 1 if quick else 3)


def fixed(quick):
    pace = {**BRIEF, "measure_ms": 1000} if quick else {**STEADY, "measure_ms": 3000}
    return Scenario(
        "fixed", "Fan-out at a fixed rate",
        "100 and 1,000 messages a second (r100, r1000) into the same room, on a schedule; latency counts from when a message was "
        "due, so that a server that falls behind cannot hide it. Stoa holds broadcasts for up to 15 ms when that saves work (fanout.window_ms "
        "= auto), and never without the window; the limit does not either.",
        ["limit", "stoa", "stoa, no window", "socket.io"] + ([] if quick else ["ws", "nchan", "centrifugo"]),
        [Run(load={**ROOM, **pace, "steps": "r100,r1000"})],
        ["cpu_us_per_delivery", "server_cpu_percent", "delivery_p50_ms", "delivery_p99_ms", "delivery_p999_ms"], 1 if quick else 3)


def idle(quick):
    sizes = [5000] if quick else [10000, 17000]
    return Scenario(
        "idle", "Idle connections and handshakes",
        "Connections that are held and say nothing: resident memory of the server for each, beyond the first 100, and what accepting "
        "them cost. Socket.IO clients have joined the main namespace. The chat's scripts ask who someone is, count their connections and "
        "tell their presence; the others do nothing of that.",
        ["limit", "stoa", "stoa, chat", "socket.io", "ws", "nchan", "centrifugo"],
        [Run(f"{n:,}", {"clients": n, "publishers": 0, "warm": 100, "idle_ms": 1000}) for n in sizes],
        ["connections_per_cpu_s", "cpu_us_per_connection", "bytes_per_connection"], 1 if quick else 2)


def tls(quick):
    n = 1000 if quick else 3000
    return Scenario(
        "tls", "Idle connections and handshakes over TLS",
        "The same over TLS 1.3 with a key on P-256, without resumption.",
        ["stoa", "stoa, chat", "socket.io"], [Run(f"{n:,}", {"clients": n, "publishers": 0, "warm": 100, "idle_ms": 1000}, tls=True)],
        ["connections_per_cpu_s", "cpu_us_per_connection", "bytes_per_connection"], 1 if quick else 2)


def durable(quick):
    load = {"dialect": "chat", "clients": 2000 if quick else 15000, "channels": 200 if quick else 1500, "publishers": 10,
            "warmup_ms": 500 if quick else 1000, "measure_ms": 1500 if quick else 3000, "drain_ms": 5000,
            "steps": "r500,r1000" if quick else DURABLE_RATES}
    runs = [Run("plain", load)] if quick else [Run("plain", load), Run("TLS", load, tls=True)]
    return Scenario(
        "durable", "Durable messages",
        f"{load['clients']:,} Socket.IO clients in channels of 10; message:send at a fixed rate from all of them in turn, acknowledged "
        "once it is committed and synced, and delivered to the ten. Server and SQLite's thread share one core. Steps go up "
        "until one is not over in time.",
        ["stoa, chat"], runs,
        ["answer_p50_ms", "answer_p99_ms", "delivery_p99_ms", "server_cpu_percent", "cpu_us_per_message"], 1 if quick else 2)


def storm(_quick):
    return Scenario(
        "storm", "Everybody comes back at once",
        "9,000 connected clients are cut off and all of them connect anew, at the same time; three times.",
        ["limit", "stoa", "socket.io"],
        [Run("9,000", {"clients": 9000, "publishers": 0, "handshakes": 9000, "storms": 3})],
        ["storm_s", "storm_p99_ms", "storm_cpu_us"], 2)


def slow(_quick):
    return Scenario(
        "slow", "Slow readers",
        "100 members, 20 of them never read; 200 messages of 8 KiB a second for ten seconds: 16 MB for each who is stuck. What matters is "
        "how much the server's memory grows, and that the others do not notice.",
        ["stoa", "socket.io", "ws"],
        [Run(load={"clients": 100, "publishers": 4, "slow": 20, "warmup_ms": 0, "measure_ms": 10000, "drain_ms": 5000,
                   "steps": "r200:8192"})],
        ["rss_growth_mb", "delivery_p50_ms", "delivery_p99_ms"], 1)


def members(_quick):
    return Scenario(
        "members", "How cost grows with members",
        "Ten publishers with 3 outstanding each, in a room of 10 to 10,000.",
        ["limit", "stoa", "socket.io"],
        [Run(f"{n:,}", {"clients": n, "publishers": 10, **STEADY, "steps": "w3"}) for n in (10, 100, 1000, 10000)],
        ["cpu_us_per_delivery", "deliveries_per_s"], 2)


def payload(_quick):
    return Scenario(
        "payload", "How cost grows with the payload",
        "100 members, ten publishers with 3 outstanding each; payloads of 32 bytes to 8 KiB.",
        ["limit", "stoa", "socket.io"],
        [Run(load={"clients": 100, "publishers": 10, **STEADY, "steps": "w3:32,w3:128,w3:1024,w3:8192"})],
        ["cpu_us_per_delivery", "deliveries_per_s"], 2)


def channels(_quick):
    return Scenario(
        "channels", "How cost grows with channels",
        "1,000 clients in 1, 10 and 100 channels; always 50,000 deliveries a second, so ten times the messages each time.",
        ["stoa", "socket.io"],
        [Run(f"{n}", {"clients": 1000, "channels": n, "publishers": 1, **STEADY, "steps": f"r{50 * n}"}) for n in (1, 10, 100)],
        ["cpu_us_per_delivery", "cpu_us_per_message", "delivery_p99_ms"], 2)


def connections(_quick):
    return Scenario(
        "connections", "How cost grows with connections",
        "A room of 100 with ten publishers, 3 outstanding each, beside 0 to 15,000 connections that say nothing.",
        ["limit", "stoa", "socket.io"],
        [Run(f"{n:,}", {"clients": 100 + n, "bystanders": n, "publishers": 10, **STEADY, "steps": "w3"}) for n in (0, 5000, 15000)],
        ["cpu_us_per_delivery"], 2)


def reload(_quick):
    load = {"dialect": "chat", "clients": 1000, "channels": 100, "publishers": 10, "warmup_ms": 500, "measure_ms": 5000,
            "drain_ms": 5000, "steps": "r500"}
    return Scenario(
        "reload", "Reload under load",
        "500 durable messages a second, without and with a reload of all scripts each second. Nothing may be lost, nobody dropped.",
        ["stoa, chat"], [Run("without", load), Run("with", load, reload=True)],
        ["answer_p50_ms", "answer_p99_ms", "delivery_p99_ms", "cpu_us_per_message"], 2)


def hook(quick):
    n = "50000" if quick else "200000"
    return Scenario(
        "hook", "What asking a script costs",
        "An event whose handler looks at its argument and answers: JSON in, a coroutine, JSON out. Interpreted, as it is by default, "
        "and compiled (lua.jit).",
        ["stoa"], [Run("interpreted", hook=(n,)), Run("compiled", hook=(n, "lua.jit=true"))], ["question_ns"], 1 if quick else 2)


def smoke(name, scenario):
    """A very short form of the scenario that measures nothing: for the tests of this program."""
    last, load = scenario.runs[-1], dict(scenario.runs[-1].load)
    if load:
        stepping = "steps" in load
        load.update(clients=20, channels=min(2, load.get("channels", 1)),
                    publishers=2 if stepping else 0, warm=0, slow=min(1, load.get("slow", 0)), warmup_ms=0,
                    measure_ms=1500 if last.reload else 200, idle_ms=0, storms=min(1, load.get("storms", 0)), bystanders=0)
        if stepping:
            load["steps"] = "w1,r20:4096" if name == "fanout" else "r20"
    hook = ("100", *last.hook[1:]) if last.hook else ()
    contenders = ["limit", "stoa", "stoa /ws", "socket.io", "ws"]
    if name != "fanout":
        contenders = [one for one in scenario.contenders if one.startswith("stoa")]
    return dataclasses.replace(scenario, contenders=contenders, rounds=1,
                               runs=[dataclasses.replace(last, load=load, hook=hook)])


EVERY = [fanout, fixed, idle, tls, durable, storm, slow, members, payload, channels, connections, reload, hook]
QUICK = [fanout, fixed, idle, tls, durable, hook]
SMOKE = [fanout, idle, tls, durable, storm, slow, reload, hook]


def pick(names, quick):
    """The scenarios with these names; without names, all quick or all full ones."""
    if names == ["smoke"]:
        return [smoke(make.__name__, make(True)) for make in SMOKE]
    if names:
        return [make(quick) for make in EVERY if make.__name__ in names]
    return [make(quick) for make in (QUICK if quick else EVERY)]
