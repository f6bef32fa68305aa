// SPDX-License-Identifier: Apache-2.0
// The real binary in a folder of its own. All processes that it starts are ended by their pid.

import { spawn, execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, existsSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, dirname } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const BINARY = process.env.STOA_BINARY ?? join(HERE, "../../build/stoa");

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the condition holds; fails at the deadline and names the condition. */
export async function until(what, condition, ms = 20_000) {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(20)) {
    const value = await condition();
    if (value) return value;
  }
  throw new Error(`never happened: ${what}`);
}

/** A free port below the ephemeral ones, so that it is still free after a kill. */
export function freePort() {
  const port = 21000 + Math.floor(Math.random() * 10000);
  return new Promise((resolve) => {
    const probe = createServer().once("error", () => resolve(freePort()));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(port)));
  });
}

export class Server {
  constructor({ set = [], env = {}, config = join(HERE, "stoa.lua"), folder, wrap = [] } = {}) {
    this.folder = folder ?? mkdtempSync(join(tmpdir(), "stoa-fault-"));
    this.database = join(this.folder, "stoa.db");
    Object.assign(this, { set, env, config, wrap, lines: [], past: [], port: 0, killed: new Set() }); // lines: since it started last
  }

  async start() {
    this.port ||= await freePort();
    const set = [...this.set, `listen=127.0.0.1:${this.port}`];
    const command = [...this.wrap, BINARY, "serve", "--config", this.config, ...set.flatMap((pair) => ["--set", pair])];
    this.past.push(...this.lines);
    this.lines = [];
    this.ended = null;
    this.isEnding = false;
    this.child = spawn(command[0], command.slice(1), {
      env: { ...process.env, STOA_TEST_DB: this.database, ASAN_OPTIONS: "detect_stack_use_after_return=0:abort_on_error=1", ...this.env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const child = this.child;
    this.exit = new Promise((resolve) => child.once("exit", (code, signal) => { if (this.child === child) this.ended = { code, signal }; resolve({ code, signal }); }));
    let rest = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      this.lines.push(...lines);
    });
    const ready = await until("server.ready", () => this.line(/server\.ready listen=\S+:(\d+) pid=(\d+)/) ?? (this.ended && { failed: true }), 30_000);
    if (ready.failed) throw new Error(`the server ended: ${this.lines.join("\n")}`);
    this.port = Number(ready[1]);
    this.pid = Number(ready[2]);
    return this;
  }

  line(pattern, from = 0) {
    for (const line of this.lines.slice(from)) {
      const match = line.match(pattern);
      if (match) return match;
    }
    return null;
  }

  worker() {
    const started = this.lines.map((line) => line.match(/worker\.started pid=(\d+)/)?.[1]).filter(Boolean);
    return Number(started.at(-1));
  }

  /** Pids of the live workers, by the log. */
  workers() {
    const alive = new Set();
    for (const line of this.lines) {
      const [, what, pid] = line.match(/worker\.(started|exited) .*?pid=(\d+)/) ?? [];
      if (what === "started") alive.add(Number(pid));
      if (what === "exited") alive.delete(Number(pid));
    }
    return [...alive];
  }

  /** False once all threads are zombies: until then, the process keeps its files open. */
  alive(pid) {
    try {
      const stats = readdirSync(`/proc/${pid}/task`).map((thread) => readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8"));
      return stats.some((stat) => !/^\d+ \(.*\) [ZX]/.test(stat));
    } catch {
      return existsSync(`/proc/${pid}`); // a thread ended meanwhile: look again
    }
  }

  /** Log lines of workers that ended with an error, or by a signal that the test did not send. */
  crashes() {
    return [...this.past, ...this.lines].filter((line) => {
      const [, pid, how] = line.match(/worker\.exited .*?pid=(\d+)(.*)/) ?? [];
      return pid && !this.killed.has(Number(pid)) && !/status=0\b/.test(how);
    });
  }

  /** The number of descriptors of each worker, by pid. */
  descriptors() {
    return new Map(this.workers().filter((pid) => this.alive(pid)).map((pid) => [pid, readdirSync(`/proc/${pid}/fd`).length]));
  }

  signal(signal, pid = this.pid) {
    if (signal === "SIGKILL") this.killed.add(pid);
    try { process.kill(pid, signal); } catch { /* it has gone */ }
  }

  async stop() {
    if (!this.child || this.ended) return this.ended;
    this.isEnding = true;
    this.signal("SIGTERM");
    return this.exit;
  }

  /** Kills all processes at once, like a power cut. */
  async kill() {
    const pids = [this.pid, ...this.workers()];
    for (const pid of pids) this.signal("SIGKILL", pid);
    await this.exit;
    await until("the worker is gone", () => pids.every((pid) => !this.alive(pid)));
  }

  rows(sql, database = this.database) {
    const text = execFileSync("sqlite3", ["-json", database, sql], { encoding: "utf8", timeout: 20_000, maxBuffer: 1 << 28 });
    return text.trim() ? JSON.parse(text) : [];
  }

  /** The logs in the database, after the server has ended. */
  truth() {
    return this.rows(`SELECT e.channel_id AS channel, e.seq, number || '-' || incarnation AS epoch, e.kind, e.sender, client_id AS clientId,
        coalesce(g.body, json_object('content', json(coalesce(m.said, m.content)))) AS body
      FROM events e JOIN epochs ON number = e.epoch LEFT JOIN client_ids USING (channel_id, seq) LEFT JOIN changes g USING (channel_id, seq)
      LEFT JOIN messages m ON m.channel_id = e.channel_id AND m.message_seq = e.seq ORDER BY e.channel_id, e.seq`)
      .map((row) => ({ ...row, content: JSON.parse(row.body).content }));
  }

  /** Runs another command of the binary on this server's database: {code, text}. */
  command(...words) {
    return new Promise((resolve) => {
      execFile(BINARY, [...words, "--database", this.database], { timeout: 60_000, encoding: "utf8" }, (error, stdout, stderr) =>
        resolve({ code: error ? error.code : 0, text: stdout + stderr }));
    });
  }

  integrity() {
    return this.rows("PRAGMA integrity_check")[0]?.integrity_check;
  }

  async clean() {
    if (this.child && !this.ended) await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
