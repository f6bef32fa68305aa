// SPDX-License-Identifier: Apache-2.0
// The benchmark's load itself: if it miscounts, all figures are worthless.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { WebSocketServer } from "ws";
import { BINARY, root, within } from "./harness.mjs";

const BUILD = path.dirname(BINARY);
const RUN_MS = 200_000;
const ROOM = ["clients=20", "publishers=2", "warmup_ms=0", "measure_ms=300", "drain_ms=5000", "json=1"];

/** {code, stdout, stderr} of a program that ends. */
function run(program, arguments_, options) {
  return new Promise((resolve) => {
    execFile(program, arguments_, { timeout: RUN_MS, ...options }, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
  });
}

/** bench_load's exit code and what it printed. */
async function load(port, ...arguments_) {
  const { code, stdout, stderr } = await run(path.join(BUILD, "bench_load"), [`port=${port}`, ...arguments_]);
  assert.notEqual(stdout, "", stderr);
  return { code, ...JSON.parse(stdout) };
}

/** The port of a bench_limit that ends with its owner. */
async function limit(owner, ...arguments_) {
  const child = spawn(path.join(BUILD, "bench_limit"), arguments_, { stdio: ["ignore", "pipe", "inherit"] });
  owner.after(() => child.kill("SIGKILL"));
  const [line] = await within("bench_limit's port", new Promise((resolve) => createInterface(child.stdout).on("line", (text) => resolve([text]))));
  return line.split(" ")[1];
}

/** The port of a broadcaster: hear(text, send) is called for each message; send(text) reaches all. */
async function broadcaster(owner, hear) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  owner.after(() => {
    server.clients.forEach((client) => client.terminate());
    server.close();
  });
  const send = (text) => server.clients.forEach((client) => client.send(text));
  server.on("connection", (socket) => socket.on("message", (message) => hear(String(message), send)));
  await new Promise((resolve) => server.once("listening", resolve));
  return server.address().port;
}

for (const dialect of ["plain", "socketio"]) {
  test(`every delivery is counted, in several processes too: ${dialect}`, async (t) => {
    const port = await limit(t);
    const result = await load(port, `dialect=${dialect}`, ...ROOM, "processes=2", "steps=w1,w10:32,r50:70000");
    assert.equal(result.code, 0, JSON.stringify(result));
    assert.deepEqual(result.steps.map(({ name }) => name), ["w1", "w10:32", "r50:70000"]);
    for (const { sent, delivered, complete, lost } of result.steps) {
      assert.ok(sent > 0);
      assert.deepEqual({ delivered, complete, lost }, { delivered: sent * 20, complete: true, lost: 0 });
    }
  });
}

test("a missing delivery is noticed", async (t) => {
  const port = await limit(t, "drop=3");
  const result = await load(port, "dialect=plain", ...ROOM, "drain_ms=1000", "steps=r50");
  const [{ sent, delivered, lost }] = result.steps;
  assert.equal(result.code, 1);
  assert.ok(lost > 0);
  assert.equal(delivered + lost, sent * 20);
});

test("the loss of the last message is noticed", async (t) => {
  let heard = 0;
  const port = await broadcaster(t, (text, send) => ++heard <= 5 && send(text));
  const result = await load(port, "dialect=plain", ...ROOM, "drain_ms=300", "steps=r50");
  const [{ sent, lost, complete }] = result.steps;
  assert.deepEqual([result.code, complete, lost], [1, false, (sent - 5) * 20]);
});

test("a repeated delivery is noticed", async (t) => {
  let heard = 0;
  const port = await broadcaster(t, (text, send) => {
    send(text);
    if (++heard === 2) send(text);
  });
  const result = await load(port, "dialect=plain", ...ROOM, "steps=r50");
  assert.deepEqual([result.code, result.steps[0].lost, result.steps[0].disordered], [1, 0, 20]);
});

test("swapped deliveries are noticed", async (t) => {
  let held;
  const port = await broadcaster(t, (text, send) => {
    if (!held) return (held = text);
    send(text);
    if (held !== true) send(held);
    held = true;
  });
  const result = await load(port, "dialect=plain", ...ROOM, "publishers=1", "steps=r50");
  assert.deepEqual([result.code, result.steps[0].disordered], [1, 20]);
});

test("a stall delays all messages due in it, not only one", async (t) => {
  let heard = 0;
  const port = await broadcaster(t, (text, send) => {
    send(text);
    if (++heard === 20) for (const end = Date.now() + 400; Date.now() < end; );
  });
  const result = await load(port, "dialect=plain", ...ROOM, "measure_ms=1000", "steps=r100");
  const [{ sent, delivery }] = result.steps;
  assert.ok(sent >= 100, "a load that waits for the server sends fewer");
  assert.ok(delivery.p50_us <= delivery.p90_us && delivery.p90_us <= delivery.p99_us && delivery.p99_us <= delivery.max_us);
  assert.ok(delivery.max_us > 390_000, JSON.stringify(delivery));
  assert.ok(delivery.p90_us > 100_000, JSON.stringify(delivery)); // 40 of 100 messages, evenly from 400 ms to 0
});

test("every scenario makes a table, a plot and a results file", async () => {
  const { code, stdout, stderr } = await run("python3", ["bench/run.py", "smoke"], { cwd: root, env: { ...process.env, BENCH_BUILD: BUILD } });
  assert.equal(code, 0, stdout + stderr);
  const { results, scenarios } = JSON.parse(readFileSync(path.join(BUILD, "bench/results.json")));
  assert.deepEqual(new Set(results.map(({ scenario }) => scenario)), new Set(scenarios.map(({ name }) => name)));
  for (const { scenario, contender, load: { steps } } of results) {
    for (const { sent, delivered, lost } of scenario === "hook" ? [] : steps) {
      assert.ok(sent > 0 && delivered > 0, `${scenario} ${contender}`);
      assert.equal(lost, 0, `${scenario} ${contender}`);
    }
  }
  const text = readFileSync(path.join(BUILD, "bench/report.md"), "utf8");
  for (const { title } of scenarios) assert.ok(text.includes(`## ${title}\n`), title);
  assert.match(text, /Every message arrived at every receiver/);
  const parse = "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])";
  assert.equal((await run("python3", ["-c", parse, path.join(BUILD, "bench/plot.svg")])).code, 0);
  const update = "import json, sys; sys.path.insert(0, 'bench'); import report; measured = json.load(open(sys.argv[1]))\n"
    + "print(report.update(open('docs/performance.md').read(), measured))";
  const page = await run("python3", ["-c", update, path.join(BUILD, "bench/results.json")], { cwd: root });
  assert.equal(page.code, 0, page.stderr);
  const titles = (markdown) => markdown.match(/^### .*$/gm);
  assert.deepEqual(titles(page.stdout), titles(readFileSync(path.join(root, "docs/performance.md"), "utf8")));
});

test("an attack runs beside others who chat, and makes a table", async () => {
  const { code, stdout, stderr } = await run("python3", ["bench/attack.py", "smoke"], { cwd: root, env: { ...process.env, BENCH_BUILD: BUILD } });
  assert.ok(code === 0 || code === 1, stdout + stderr); // either is fine: on a busy machine the row may not hold
  const [{ row, result }] = JSON.parse(readFileSync(path.join(BUILD, "bench/attack.json")));
  assert.ok(result, stdout + stderr);
  assert.ok(result.bots > 0 && result.wanted > 0 && result.before_mb > 0 && result.peak_mb > 0, stdout);
  assert.ok(result.attacked.sent > 0 && result.attacked.delivered > 0, stdout);
  assert.ok(result.let_in + result.turned_away > 0, stdout);
  assert.match(readFileSync(path.join(BUILD, "bench/attack.md"), "utf8"), new RegExp(`^\\| ${row} `, "m"));
});
