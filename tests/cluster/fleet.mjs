// SPDX-License-Identifier: Apache-2.0
// A fleet for tests: its own Redis, and nodes that share it and the PostgreSQL that servers/postgres.py has started.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { BINARY, literal, root, startServer } from "../scenes/harness.mjs";

const REDIS = path.join(root, "tests/servers/redis.sh");

/** A real Redis; `mode` as in redis.sh. It can be killed and started again. */
export class Redis {
  constructor(owner, mode = "standalone") {
    this.folder = mkdtempSync(path.join(tmpdir(), "stoa-redis-"));
    this.mode = mode;
    const stop = () => this.#script("stop", this.folder); // also removes its folder
    owner.after(stop);
    process.on("exit", stop); // if the test is cut short
    this.#script(mode, this.folder);
    this.ports = readFileSync(path.join(this.folder, "ports"), "utf8").trim().split("\n").map(Number);
  }

  #script(...arguments_) {
    execFileSync("bash", [REDIS, ...arguments_], { timeout: 60_000 });
  }

  get nodes() {
    const seeds = this.mode === "sentinel" ? readFileSync(path.join(this.folder, "sentinels"), "utf8").trim().split("\n") : this.ports;
    return (this.mode === "standalone" ? seeds.slice(0, 1) : seeds).map((port) => `127.0.0.1:${port}`);
  }

  signal(name, port = this.ports[0]) {
    process.kill(Number(readFileSync(path.join(this.folder, String(port), "pid"), "utf8")), name);
  }

  kill(port = this.ports[0]) {
    this.signal("SIGKILL", port);
  }

  start(port = this.ports[0]) {
    this.#script("start", this.folder, String(port));
  }

  /** The output of redis-cli. */
  cli(...arguments_) {
    return execFileSync("redis-cli", ["-p", String(this.ports[0]), ...arguments_], { timeout: 10_000, encoding: "utf8" });
  }
}

function conninfo(port, database) {
  return `host=127.0.0.1 port=${port} dbname=${database} user=postgres`;
}

/** Settings of a node of the fleet on this Redis. */
export function settings(redis, set = {}) {
  const shards = process.env.STOA_PG_SHARDS.split(/[ ,]+/);
  return {
    "store.driver": "postgres",
    "postgres.global": conninfo(process.env.STOA_PG_GLOBAL, "global"),
    "postgres.shards": shards.map((port, i) => ({ write: conninfo(port, `shard${i}`) })),
    "redis.mode": redis.mode,
    "redis.nodes": redis.nodes,
    "postgres.pool.write": 6,
    "postgres.pool.min": 1,
    api_keys: ["the-back-office"],
    "limits.connects": false,
    "limits.user_messages": false,
    "limits.channel_messages": false,
    ...set,
  };
}

let migrated = false;

/** Starts `count` nodes, named n0, n1, …; they know each other when this resolves. */
export async function startFleet(owner, redis, count, set = {}, more = {}) {
  const options = Array.from({ length: count }, (_, i) => ({ ...more, set: settings(redis, { "node.name": `n${i}`, ...set }) }));
  if (!migrated) {
    const pairs = Object.entries(options[0].set).filter(([key]) => /^(store|postgres)\./.test(key));
    execFileSync(BINARY, ["migrate", "--config", path.join(root, "config/stoa.lua"), ...pairs.flatMap(([key, value]) => ["--set", `${key}=${literal(value)}`])], { timeout: 60_000 });
    migrated = true;
  }
  return Promise.all(options.map((each) => startServer(owner, each)));
}

/** A metric of a node: the sum over all that match, such as `stoa_bus_received_total{kind="event"}`. */
export async function metric(server, name) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.split(" ").pop()), 0);
}

/** {status: of HTTP, …the body of /health/ready}. */
export async function health(server) {
  const response = await fetch(`${server.url}/health/ready`);
  return { http: response.status, ...(await response.json()) };
}

/** The REST interface. */
export async function rest(server, method, path_, body) {
  const response = await fetch(`${server.url}/api${path_}`, {
    method,
    headers: { authorization: "Bearer the-back-office", ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  return { status: response.status, ...(await response.json()) };
}
