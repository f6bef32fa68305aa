// SPDX-License-Identifier: Apache-2.0
// A fleet for fault tests: PostgreSQL (a global database, shards, standbys, PgBouncer), Redis, and nodes of the real binary
// with config/cluster.lua, everything in one folder. All end with the test, however it ends: the servers when this end of
// their stdin closes, the nodes with their parent.

import { execFile, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Disk } from "./disk.mjs";
import { Proxy } from "./proxy.mjs";
import { Server, until } from "./server.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const REDIS_SH = join(ROOT, "tests/servers/redis.sh"), POSTGRES_PY = join(ROOT, "tests/servers/postgres.py");
const RUN_MS = 60_000;

/** Runs the program without blocking the load: its output. */
export function run(...command) {
  return new Promise((resolve, reject) => {
    execFile(command[0], command.slice(1), { timeout: RUN_MS, encoding: "utf8", maxBuffer: 1 << 28, cwd: "/tmp" }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command.join(" ")}: ${error.message}\n${stdout}${stderr}`));
      else resolve(stdout);
    });
  });
}

/** Starts a program that runs until its stdin ends: the text that it printed before `mark`. */
class Attendant {
  constructor(command, env = {}) {
    this.child = spawn(command[0], command.slice(1), { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
    this.text = "";
    for (const stream of [this.child.stdout, this.child.stderr]) stream.setEncoding("utf8").on("data", (text) => { this.text += text; });
    this.ended = new Promise((resolve) => this.child.once("close", resolve));
    this.ended.then(() => { this.isOver = true; });
  }

  async ready(mark) {
    await until(`${mark} of ${this.child.spawnfile}`, () => this.text.includes(mark) || this.isOver, RUN_MS);
    if (this.isOver) throw new Error(`it ended: ${this.text}`);
    return this.text;
  }

  async stop() {
    this.child.stdin.end();
    await this.ended;
  }
}

/** Real Redis servers: mode standalone, cluster or sentinel. */
export class Redis {
  constructor(folder, mode) {
    Object.assign(this, { folder: join(folder, "redis"), mode });
  }

  async start() {
    const script = `bash '${REDIS_SH}' ${this.mode} '${this.folder}' && echo all-up && cat >/dev/null; bash '${REDIS_SH}' stop '${this.folder}'`;
    this.attendant = new Attendant(["bash", "-c", script]);
    await this.attendant.ready("all-up");
    this.ports = this.#numbers("ports");
    this.seeds = this.mode === "sentinel" ? this.#numbers("sentinels") : this.ports;
  }

  #numbers(name) {
    return readFileSync(join(this.folder, name), "utf8").trim().split("\n").map(Number);
  }

  signal(name, port = this.ports[0]) {
    process.kill(Number(readFileSync(join(this.folder, String(port), "pid"), "utf8")), name);
  }

  startAgain(port) {
    return run("bash", REDIS_SH, "start", this.folder, String(port));
  }

  cli(port, ...words) {
    return run("timeout", "30", "redis-cli", "-p", String(port), ...words);
  }

  /** The port of the one that is a primary and accepts writes; null: none. */
  async primaryAmong(ports) {
    for (const port of ports) {
      const role = await run("timeout", "1", "redis-cli", "-p", String(port), "role").catch(() => "");
      if (role.startsWith("master")) return port;
    }
    return null;
  }

  stop() {
    return this.attendant?.stop();
  }
}

/** Real PostgreSQL servers (tests/servers/postgres.py), by their names: global, g1 …, shard0 …, r1 …, bouncer. */
export class Postgres {
  /** place: the folder in which they make theirs. */
  constructor(place, { shards, replicas, globalReplicas, bouncer }) {
    this.options = ["--shards", shards, "--replicas", replicas, "--global-replicas", globalReplicas, ...(bouncer ? ["--bouncer"] : [])].map(String);
    Object.assign(this, { place, shardsLen: shards, primary: "shard0" });
  }

  async start() {
    const { place } = this, waiting = ["sh", "-c", "env; echo all-up; cat >/dev/null"];
    this.attendant = new Attendant(["python3", POSTGRES_PY, "run", ...this.options, "--", ...waiting], place ? { TMPDIR: place } : {});
    const text = await this.attendant.ready("all-up");
    const variable = (name) => text.match(new RegExp(`^STOA_PG_${name}=(.*)$`, "m"))[1];
    const ports = (name) => variable(name).split(" ").filter(Boolean).map(Number);
    this.home = variable("FOLDER");
    this.ports = { global: ports("GLOBAL")[0], bouncer: ports("BOUNCER")[0] };
    for (const [i, port] of ports("SHARDS").entries()) this.ports[`shard${i}`] = port;
    for (const [i, port] of ports("REPLICAS").entries()) this.ports[`r${i + 1}`] = port;
    for (const [i, port] of ports("GLOBAL_REPLICAS").entries()) this.ports[`g${i + 1}`] = port;
  }

  act(...words) {
    return run("python3", POSTGRES_PY, "do", this.home, ...words.map(String));
  }

  /** Runs SQL in the server's first database, or in PgBouncer's console. */
  async sql(name, text) {
    const database = { b: "pgbouncer", r: "shard0", g: "global" }[name[0]] ?? name;
    return (await run("psql", "-h", "127.0.0.1", "-p", String(this.ports[name]), "-U", "postgres", "-Atq", "-v", "ON_ERROR_STOP=1", "-c", text, database)).trim();
  }

  /** SIGUSR1: PAUSE, SIGUSR2: RESUME. */
  signalBouncer(name) {
    process.kill(Number(readFileSync(join(this.home, "bouncer.pid"), "utf8")), name);
  }

  /** The conninfo of a database, on these ports. */
  conninfo(database, ports) {
    return `host=${ports.map(() => "127.0.0.1").join(",")} port=${ports.join(",")} dbname=${database} user=postgres`;
  }

  /** Makes acknowledgements wait for a standby, also after a promotion: then the other standby is that of the promoted one. */
  async useQuorum(commit) {
    for (const name of ["shard0", "r1", "r2"]) {
      await this.sql(name, "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (r1, r2)'");
      await this.sql(name, "SELECT pg_reload_conf()");
    }
    await until("both standbys are of the quorum", async () => (await this.sql("shard0", "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'")) === "2");
    await this.sql("shard0", `ALTER SYSTEM SET synchronous_commit = '${commit}'`);
    await this.sql("shard0", "SELECT pg_reload_conf()");
  }

  /** Promotes the standby that has received more; the other one follows it. */
  async promote() {
    const lsn = async (name) => BigInt(await this.sql(name, "SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint"));
    const [next, other] = (await lsn("r1")) >= (await lsn("r2")) ? ["r1", "r2"] : ["r2", "r1"];
    await this.act("promote", next);
    this.primary = next;
    await this.sql(other, `ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=${this.ports[next]} user=postgres application_name=${other}'`);
    await this.sql(other, "SELECT pg_reload_conf()");
  }

  /** The number of epochs in a shard's log. */
  async lastEpoch(name) {
    return Number(await this.sql(name, "SELECT coalesce(max(number), 0) FROM epochs"));
  }

  /** The logs in the databases. */
  async truth() {
    const names = [this.primary, ...Array.from({ length: this.shardsLen - 1 }, (_, i) => `shard${i + 1}`)];
    const rows = await Promise.all(names.map((name) => this.sql(name, `SELECT coalesce(json_agg(t ORDER BY channel, seq), '[]') FROM
      (SELECT e.channel_id AS channel, e.seq, p.number || '-' || p.incarnation AS epoch, e.kind, e.sender,
        CASE WHEN e.client_id NOT LIKE '~%' THEN e.client_id END AS "clientId", coalesce(e.content, m.content) AS content
       FROM events e JOIN epochs p ON p.number = e.epoch
       LEFT JOIN messages m ON m.channel_id = e.channel_id AND m.message_seq = e.message_seq) t`)));
    return rows.flatMap((text) => JSON.parse(text)).map((row) => ({ ...row, content: row.content && JSON.parse(row.content) }));
  }

  /** Channels whose head is not their highest number. */
  async wrongHeads() {
    return this.sql(this.primary, `SELECT count(*) FROM channel_heads h
      WHERE last_seq <> (SELECT coalesce(max(seq), 0) FROM events e WHERE e.channel_id = h.channel_id)`);
  }

  stop() {
    return this.attendant?.stop();
  }
}

export const literal = (value) => Array.isArray(value) ? `{${value.map(literal).join(",")}}`
  : typeof value === "object" ? `{${Object.entries(value).map(([name, item]) => `${name}=${literal(item)}`).join(",")}}`
  : typeof value === "string" ? JSON.stringify(value) : String(value);

export class Fleet {
  /** redis: a mode; nodes, workers: how many; shards, replicas (of shard0), globalReplicas, bouncer, quorum (commit: its
   * synchronous_commit), reads (names of standbys): of PostgreSQL; proxied: edges that go through a Proxy of this.proxies:
   * "clients" (of all nodes), "postgres" (of node 0, to shard0, and it knows of no standby), "global" (likewise), "redis" (of
   * node 0, to a standalone one); set: settings, undefined: those of the server; disk: all files are on one of so many megabytes. */
  constructor({ redis = "standalone", nodes = 2, workers = 2, shards = 1, replicas = 0, globalReplicas = 0, bouncer = false, quorum = false, commit = "on", reads = [], proxied = [], set = {}, env = {}, disk = 0 } = {}) {
    this.folder = mkdtempSync(join(tmpdir(), "stoa-fleet-"));
    chmodSync(this.folder, 0o755); // PostgreSQL runs as another user
    this.redis = new Redis(this.folder, redis);
    this.postgres = new Postgres(disk ? this.folder : null, { shards, replicas, globalReplicas, bouncer });
    Object.assign(this, { quorum, commit, reads, proxied, set, env, megabytes: disk, workersLen: workers, nodesLen: nodes, nodes: [], turn: 0, proxies: {} });
  }

  async start() {
    if (this.megabytes) this.disk = await Disk.mount(this.folder, this.megabytes);
    await Promise.all([this.redis.start(), this.postgres.start()]);
    if (this.quorum) await this.postgres.useQuorum(this.commit);
    await this.#migrate();
    if (this.proxied.includes("postgres")) this.proxies.postgres = await new Proxy(this.postgres.ports.shard0).start();
    if (this.proxied.includes("global")) this.proxies.global = await new Proxy(this.postgres.ports.global).start();
    if (this.proxied.includes("redis")) this.proxies.redis = await new Proxy(this.redis.ports[0]).start();
    this.nodes = Array.from({ length: this.nodesLen }, (_, i) => this.#node(i));
    await Promise.all(this.nodes.map((node) => node.start()));
    if (this.proxied.includes("clients")) this.proxies.clients = await Promise.all(this.nodes.map((node) => new Proxy(node.port).start()));
    await until("all nodes are ready", async () => (await Promise.all(this.nodes.map((node) => health(node)))).every(({ checks }) => checks?.store === "ok" && checks.bus === "ok"));
    return this;
  }

  settings(i) {
    const { ports, conninfo, shardsLen, options } = this.postgres;
    const bounced = options.includes("--bouncer");
    const proxies = i === 0 ? this.proxies : {};
    const followed = proxies.postgres ? [proxies.postgres.port] : [ports.shard0, ports.r1, ports.r2].filter(Boolean);
    const shards = Array.from({ length: shardsLen }, (_, n) => ({ write: conninfo(`shard${n}`, bounced ? [ports.bouncer] : n === 0 ? followed : [ports[`shard${n}`]]) }));
    shards[0].read = this.reads.map((name) => conninfo("shard0", [ports[name]]));
    return {
      "postgres.global": conninfo("global", bounced ? [ports.bouncer] : proxies.global ? [proxies.global.port] : [ports.global, ports.g1].filter(Boolean)),
      "postgres.shards": shards,
      "postgres.durability": this.quorum ? "quorum" : "primary",
      "postgres.pool.write": 12,
      "postgres.pool.read": 12,
      "postgres.pool.min": 4,
      "postgres.pool.idle_s": 2, // so that idle connections are closed before descriptors are counted
      "redis.mode": this.redis.mode,
      "redis.nodes": proxies.redis ? [`127.0.0.1:${proxies.redis.port}`] : this.redis.seeds.map((port) => `127.0.0.1:${port}`),
      "node.name": `node-${i}`,
      workers: this.workersLen,
      listen: "127.0.0.1:0",
      control: "",
      static_folder: "",
      ping_interval_ms: 2000,
      ping_timeout_ms: 2000,
      "drain.timeout_s": 5,
      "limits.user_messages": false, // the test sets the load
      "limits.channel_messages": false,
      "limits.connects": false,
      ...this.set,
    };
  }

  #pairs(i) {
    return Object.entries(this.settings(i)).filter(([, value]) => value !== undefined).map(([name, value]) => `${name}=${literal(value)}`);
  }

  #node(i) {
    return new Server({ folder: join(this.folder, `node-${i}`), config: join(ROOT, "config/cluster.lua"), set: this.#pairs(i), env: this.env, wrap: ["setpriv", "--pdeathsig", "KILL"] });
  }

  #migrate() {
    const binary = process.env.STOA_BINARY ?? join(ROOT, "build/stoa");
    const pairs = this.#pairs(0).filter((pair) => /^(postgres|redis)\./.test(pair));
    return run(binary, "migrate", "--config", join(ROOT, "config/cluster.lua"), ...pairs.flatMap((pair) => ["--set", pair]));
  }

  /** Clients connect to the nodes in turn, so that a client that reconnects reaches the other one. */
  get port() {
    const doors = this.proxies.clients ?? this.nodes;
    return doors[this.turn++ % doors.length].port;
  }

  truth() {
    return this.postgres.truth();
  }

  /** The errors in the store; [] if there are none. */
  async damage() {
    const wrong = await this.postgres.wrongHeads();
    return wrong === "0" ? [] : [`I2 heads: ${wrong} are not the last number of their channel`];
  }

  async clean() {
    for (const proxy of Object.values(this.proxies).flat()) proxy.stop();
    await Promise.all(this.nodes.filter((node) => node.child && !node.ended).map((node) => node.kill()));
    await Promise.all([this.redis.stop(), this.postgres.stop()]);
    await this.disk?.unmount();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** {http, …the body of /health/ready}; {} without an answer. */
export async function health(node) {
  try {
    const response = await fetch(`http://127.0.0.1:${node.port}/health/ready`, { signal: AbortSignal.timeout(2000) });
    return { http: response.status, ...(await response.json()) };
  } catch {
    return {};
  }
}
