# SPDX-License-Identifier: Apache-2.0
"""run.py [quick] [SCENARIO…] | report | page | list: measures Stoa and its peers; results go to build/bench/.

Without a name all scenarios run (20 to 25 minutes); `quick` runs short forms of some (2 minutes). `report` makes the tables and the
plot again from build/bench/results.json; `page` puts the tables into docs/performance.md; `list` shows the scenarios."""

import dataclasses
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import machine
import plot
import report
import scenarios
import servers

OUT = servers.BUILD / "bench"
START_S = 1.5  # start and end of a contender; for the estimate only


def estimate_s(run):
    load = run.load
    if run.hook:
        return int(run.hook[0]) * 25e-6
    steps = load.get("steps", "").count(",") + 1 if "steps" in load else 0
    connecting = load["clients"] * (1 + load.get("storms", 0)) / (1500 if run.tls else 4000)
    return START_S + connecting + 2 * load.get("idle_ms", 0) / 1000 + steps * (
        load.get("warmup_ms", 1000) + load.get("measure_ms", 3000) + 300) / 1000


def reload_each_second(server, over):
    while not over.wait(1):
        server.reload()


def measure_hook(run):
    environment = {**os.environ, "BENCH_STORE": ":memory:"}
    command = [*servers.pin(servers.cores()[0]), servers.BUILD / "bench_hook", servers.ROOT / "bench/stoa.lua", *run.hook]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    ns = float(re.match(r"(\d+) ns a question", done.stdout)[1])
    return {"steps": [{"name": "", "ns": ns}]}


def measure_server(run, contender, folder):
    server_core, load_core = servers.cores()
    certificate = servers.new_certificate(folder) if run.tls else None
    with servers.Server(contender, folder, server_core, certificate) as server:
        arguments = {**servers.DIALECTS[contender], **run.load, "port": server.port, "json": 1, "tls": int(run.tls),
                     "pids": ",".join(map(str, server.pids))}
        over = threading.Event()
        if run.reload:
            threading.Thread(target=reload_each_second, args=(server, over), daemon=True).start()
        try:
            done = subprocess.run([*servers.pin(load_core), servers.BUILD / "bench_load",
                                   *(f"{key}={value}" for key, value in arguments.items())],
                                  capture_output=True, text=True, timeout=600)
        finally:
            over.set()
    if not done.stdout:
        raise RuntimeError(f"bench_load {arguments}: {done.stderr}")
    return json.loads(done.stdout)


def measure(run, contender):
    if run.hook:
        return measure_hook(run)
    OUT.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="run-", dir=OUT)  # the store goes here, because /tmp may be memory
    try:
        os.chmod(folder, 0o755)  # nginx's worker runs as another user
        return measure_server(run, contender, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Progress:
    """Prints one line before each run: its name, the progress, the time left."""

    def __init__(self, plan):
        self.left = [estimate_s(run) for _, _, run, _ in plan]
        self.done, self.started, self.spent = 0, time.monotonic(), 0.0

    def begin(self, scenario, round_number, run, contender):
        factor = (time.monotonic() - self.started) / self.spent if self.spent else 1
        left = sum(self.left[self.done:]) * factor
        what = " ".join(part for part in (scenario.name, run.label) if part)
        print(f"[{self.done + 1:3}/{len(self.left)}] {what}, round {round_number} of {scenario.rounds}: {contender}"
              f"  (about {left // 60:.0f}:{left % 60:02.0f} left)", flush=True)

    def end(self):
        self.spent += self.left[self.done]
        self.done += 1


def plan_of(picked):
    """[(scenario, round, run, contender)] in the order of measuring: contenders take turns within each round."""
    return [(scenario, number, run, contender)
            for scenario in picked for number in range(1, scenario.rounds + 1) for run in scenario.runs
            for contender in scenario.contenders if not servers.available(contender)]


def say_what_is_left_out(picked):
    for contender in dict.fromkeys(name for scenario in picked for name in scenario.contenders):
        reason = servers.available(contender)
        if reason:
            print(f"left out: {contender}: {reason}")


def run_all(picked):
    say_what_is_left_out(picked)
    plan = plan_of(picked)
    progress, results, failed = Progress(plan), [], 0
    measured = {"started": time.strftime("%Y-%m-%d %H:%M"), "machine": machine.describe(servers.BUILD),
                "scenarios": [{key: value for key, value in dataclasses.asdict(scenario).items() if key != "runs"}
                              for scenario in picked], "results": results}
    for scenario, number, run, contender in plan:
        progress.begin(scenario, number, run, contender)
        try:
            load = measure(run, contender)
        except KeyboardInterrupt:
            print("\ninterrupted: what follows is of the runs so far")
            break
        except (RuntimeError, subprocess.SubprocessError) as error:
            print(f"FAILED: {error}", flush=True)
            failed += 1
        else:
            results.append({"scenario": scenario.name, "run": run.label, "contender": contender, "round": number, "load": load})
        progress.end()
        (OUT / "results.json").write_text(json.dumps(measured, indent=1))
    return measured, failed


def publish(measured):
    text = report.markdown(measured)
    (OUT / "report.md").write_text(text)
    (OUT / "plot.svg").write_text(plot.svg(measured))
    print("\n" + text)
    print(f"{OUT}/report.md, plot.svg, results.json")


def main():
    words = sys.argv[1:]
    names = [make.__name__ for make in scenarios.EVERY]
    quick = "quick" in words
    words = [word for word in words if word != "quick"]
    if words == ["list"]:
        for scenario in scenarios.pick([], False):
            print(f"{scenario.name:12} {scenario.title}")
        return
    if words == ["report"]:
        publish(json.loads((OUT / "results.json").read_text()))
        return
    if words == ["page"]:
        path = servers.ROOT / "docs/performance.md"
        try:
            path.write_text(report.update(path.read_text(), json.loads((OUT / "results.json").read_text())))
        except (OSError, ValueError) as error:
            sys.exit(f"{path} stays as it is: {error}")
        return
    if words != ["smoke"] and any(word not in names for word in words):
        sys.exit(f"{__doc__}\n\nScenarios: {' '.join(names)}")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    measured, failed = run_all(scenarios.pick(words, quick))
    publish(measured)
    sys.exit(1 if failed else 0)


main()
