// node bench/measure.mjs idle [N] | send [CLIENTS] [SECONDS] | reload [CLIENTS]
//
// idle: resident memory of the worker for each idle Socket.IO connection. send: acknowledged messages a second, and how long
// they take, in channels of ten online members. reload: the same with a SIGHUP every second.
// The load shares the machine: quote medians of several runs, and what else ran.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Raw } from "./raw.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "stoa-bench-"));
const [mode = "send", ...numbers] = process.argv.slice(2);

function start() {
  const child = spawn(process.env.STOA_BINARY ?? join(HERE, "../build/stoa"), ["serve", "--config", join(HERE, "bench.lua")], {
    env: { ...process.env, STOA_BENCH_DB: join(folder, "stoa.db") }, stdio: ["ignore", "ignore", "pipe"] });
  return new Promise((resolve, reject) => {
    let text = "", worker;
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${text}`)));
    child.stderr.on("data", (data) => {
      text += data;
      worker = text.match(/worker\.started pid=(\d+)/)?.[1];
      const port = text.match(/server\.ready listen=\S+:(\d+)/)?.[1];
      if (port) resolve({ child, port: Number(port), worker: Number(worker), lines: () => text });
    });
  });
}

const page = 4096;
const rss = (pid) => Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * page;
/** CPU seconds: user and system, of all the worker's threads. */
const cpu = (pid) => { const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" "); return (Number(fields[11]) + Number(fields[12])) / 100; };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

async function openMany(server, n, user) {
  const clients = [];
  for (let i = 0; i < n; i += 200) {
    const batch = Array.from({ length: Math.min(200, n - i) }, (_, k) => new Raw(server.port, user(i + k)));
    await Promise.all(batch.map((client, k) => client.open(`127.0.0.${1 + ((i + k) % 50)}`)));
    clients.push(...batch);
  }
  return clients;
}

async function idle(server, n = 10_000) {
  const few = await openMany(server, 100, (i) => `warm-${i}`);
  await sleep(1000);
  const before = rss(server.worker), cpuBefore = cpu(server.worker), startedAt = performance.now();
  const clients = await openMany(server, n, (i) => `idle-${i}`);
  const seconds = (performance.now() - startedAt) / 1000;
  await sleep(2000);
  const used = cpu(server.worker) - cpuBefore;
  console.log(`${n} connections: ${Math.round((rss(server.worker) - before) / n)} bytes of RSS each, ${(n / seconds).toFixed(0)} connections/s, ${((used / n) * 1e6).toFixed(0)} us of CPU each`);
  for (const client of [...few, ...clients]) client.close();
}

async function send(server, clients = 100, seconds = 10, during = () => {}) {
  const people = await openMany(server, clients, (i) => `user-${i}`);
  await Promise.all(people.map((client, i) => client.ask("channel:join", { channelId: `room-${Math.floor(i / 10)}` })));
  const times = [];
  let running = true;
  const used = cpu(server.worker), from = performance.now();
  const loops = people.map(async (client, i) => {
    for (let n = 0; running; n += 1) {
      const start = performance.now();
      const ack = await client.ask("message:send", { channelId: `room-${Math.floor(i / 10)}`, clientId: `${i}.${n}`, content: "x".repeat(100) });
      if (!ack.includes('"ok":true')) throw new Error(ack);
      times.push(performance.now() - start);
    }
  });
  const stop = during();
  await sleep(seconds * 1000);
  running = false;
  stop?.();
  await Promise.all(loops);
  const elapsed = (performance.now() - from) / 1000;
  times.sort((a, b) => a - b);
  console.log(`${clients} senders in channels of 10: ${(times.length / elapsed).toFixed(0)} acknowledged/s, median ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms, ${(((cpu(server.worker) - used) / times.length) * 1e6).toFixed(0)} us of server CPU each`);
  for (const client of people) client.close();
}

const server = await start();
try {
  if (mode === "idle") await idle(server, Number(numbers[0] ?? 10_000));
  else if (mode === "reload") await send(server, Number(numbers[0] ?? 100), 10, () => { const timer = setInterval(() => server.child.kill("SIGHUP"), 1000); return () => clearInterval(timer); });
  else await send(server, Number(numbers[0] ?? 100), Number(numbers[1] ?? 10));
} finally {
  server.child.removeAllListeners("exit");
  const gone = new Promise((resolve) => server.child.once("exit", resolve));
  server.child.kill("SIGTERM");
  await gone;
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
