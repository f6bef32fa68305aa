// SPDX-License-Identifier: Apache-2.0
// The stage of a scene: the real server on its own port and in its own folder, and waiting for conditions.
//
//   test("…", async (t) => {
//     const server = await startServer(t, { set: { "limits.connects": false } });
//
// The owner, a test or the whole `file`, ends its servers: by their pids, and also when the run is cut short.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Owns what all tests of a file share. */
export const file = { after };

/** The deadline of a wait. It is long because sanitizers make everything slower. */
export const DEADLINE_MS = 20_000;
const FILE_DEADLINE_MS = 240_000; // below TIMEOUT in suite.cmake
const POLL_MS = 10;

const started = new Set(); // of processes that have not ended
process.on("exit", () => started.forEach((server) => [server.pid, ...server.workers()].forEach(endNow)));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
setTimeout(() => {
  console.error(`${process.argv[1]}: not over after ${FILE_DEADLINE_MS} ms`);
  process.exit(1);
}, FILE_DEADLINE_MS).unref();

function endNow(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** Waits until check() is truthy (a promise is awaited): its value. Fails with `what` at the deadline. */
export async function until(what, check, deadline_ms = DEADLINE_MS) {
  for (const end = Date.now() + deadline_ms; ; ) {
    const result = await check();
    if (result) return result;
    if (Date.now() > end) assert.fail(`not within ${deadline_ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS)); // between two looks
  }
}

/** The promise's outcome, or a failure with `what` at the deadline. */
export function within(what, promise, deadline_ms = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `not within ${deadline_ms} ms: ${what}` })), deadline_ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A folder that is removed with its owner. */
export function newFolder(owner) {
  const folder = mkdtempSync(path.join(tmpdir(), "stoa-scene-"));
  owner.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A value as --set takes it. */
export function literal(value) {
  if (Array.isArray(value)) return `{${value.map(literal).join(",")}}`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, item]) => `[${literal(key)}]=${literal(item)}`).join(",")}}`;
  return typeof value === "string" ? JSON.stringify(value).replaceAll("\\n", "\\\n") : String(value);
}

export const BINARY = path.resolve(root, process.env.STOA_BINARY ?? "build/stoa");

/** The program run to its end: {code, stdout, stderr}. */
export function runStoa(...arguments_) {
  return new Promise((resolve) => {
    execFile(BINARY, arguments_, { timeout: DEADLINE_MS }, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
  });
}

class Server {
  lines = []; // of its log
  killed = new Set(); // pids of workers that killWorker ended
  #child;
  #ended;

  constructor({ config = "config/stoa.lua", set = {}, env = {}, binary = BINARY, folder, expects }) {
    this.options = { config, set, env, binary, folder, expects };
    const settings = {
      listen: "127.0.0.1:0",
      "store.path": path.join(folder, "stoa.db"),
      control: path.join(folder, "stoa.sock"),
      "drain.timeout_s": 5,
      ...set,
    };
    const arguments_ = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${literal(value)}`]);
    this.#child = spawn(binary, ["serve", "--config", path.resolve(root, config), ...arguments_], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.pid = this.#child.pid;
    started.add(this);
    createInterface({ input: this.#child.stderr }).on("line", (line) => this.lines.push(line));
    this.#ended = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", (code, signal) => resolve({ code, signal }));
    }).finally(() => started.delete(this));
    this.#ended.catch(() => {});
  }

  /** The url once the server answers; fails with its log if it ends instead. */
  async ready() {
    const line = await Promise.race([
      this.waitForLine(/server\.ready /),
      this.#ended.then(({ code }) => assert.fail(`the server ended with ${code}:\n${this.lines.join("\n")}`)),
    ]);
    this.port = Number(line.match(/ listen=\S*:(\d+)/)[1]);
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  /** Pids of the workers that live. */
  workers() {
    const alive = new Set();
    for (const line of this.lines) {
      const [, what, pid] = line.match(/ worker\.(started|exited) .*?pid=(\d+)/) ?? [];
      if (what === "started") alive.add(Number(pid));
      if (what === "exited") alive.delete(Number(pid));
    }
    return [...alive];
  }

  /** The first line from `from` on that matches; `server.lines.length`, taken before, makes it one that is new. */
  waitForLine(pattern, from = 0) {
    return until(`a line ${pattern} in the log`, () => this.lines.slice(from).find((line) => pattern.test(line)));
  }

  signal(name) {
    process.kill(this.pid, name);
  }

  /** Resolves with {code, signal} of the master. */
  ended() {
    return within("the end of the server", this.#ended);
  }

  /** Ends the server as an operator does, and asserts that it ends well. */
  async stop() {
    if (!started.has(this)) return;
    this.signal("SIGTERM");
    const { code, signal } = await within("the end of the server after SIGTERM", this.#ended);
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, this.lines.join("\n"));
    this.#checkLog();
  }

  /** SIGKILL to the master and its workers: all have ended when this resolves. */
  async kill() {
    [this.pid, ...this.workers()].forEach(endNow);
    await within("the end of the server after SIGKILL", this.#ended);
    this.#checkLog();
  }

  /** Starts the server again: same port, same folder. */
  async restart(owner) {
    await this.stop();
    return startServer(owner, { ...this.options, set: { ...this.options.set, listen: `127.0.0.1:${this.port}` } });
  }

  /** SIGKILL to the worker: the master starts another. */
  async killWorker() {
    const [worker] = this.workers();
    const from = this.lines.length;
    this.killed.add(worker);
    endNow(worker);
    await this.waitForLine(/worker\.started /, from);
  }

  // No sanitizer report, no error line, no worker that ended by itself.
  #checkLog() {
    const bad = this.lines.filter((line) => {
      const [, pid] = line.match(/ worker\.exited .*pid=(\d+)/) ?? [];
      const stuck = pid && this.lines.some((other) => other.includes(` worker.stuck pid=${pid} `));
      if (pid) return !/ status=0 /.test(line) && !stuck && !this.killed.has(Number(pid)) && !this.options.expects?.test(line);
      return /Sanitizer|runtime error:|^\S+ error /.test(line) && !this.options.expects?.test(line);
    });
    assert.deepEqual(bad, [], this.lines.join("\n"));
  }
}

/** {config, set, env, binary, folder, expects} → a server that answers; `expects`: errors that its log may have. */
export async function startServer(owner, options = {}) {
  const server = new Server({ ...options, folder: options.folder ?? newFolder(owner) });
  owner.after(() => server.stop());
  return server.ready();
}

/** A Redis, or a Cluster: the addresses of its servers. */
export function startRedis(owner, mode = "standalone") {
  const folder = path.join(newFolder(owner), "redis"), program = path.join(root, "tests/servers/redis.sh");
  execFileSync(program, [mode, folder]);
  owner.after(() => execFileSync(program, ["stop", folder]));
  return readFileSync(path.join(folder, "ports"), "utf8").trim().split("\n").map((port) => `127.0.0.1:${port}`);
}
