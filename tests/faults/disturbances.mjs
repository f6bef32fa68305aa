// SPDX-License-Identifier: Apache-2.0
// Faults that may happen at any moment, also two at a time. Each goes on until everything works again, asserts nothing, and
// leaves the verdict to the checker. nightly.mjs draws them at random.

import { sleep, until } from "./server.mjs";

const between = (random, from, to) => from + random() * (to - from);
const one = (random, list) => list[Math.floor(random() * list.length)];

/** After these, a node has restarted. */
const ends = {
  "all of a node is killed": async ({ nodes: all, random }) => {
    const node = one(random, all);
    await node.kill();
    await node.start();
  },
  "a node is told to end, and starts again": async ({ nodes: all, random }) => {
    const node = one(random, all);
    await node.stop();
    await node.start();
  },
};

/** After these, the nodes go on as before. */
const nodes = {
  "a worker is killed": async ({ nodes: all, random }) => {
    const node = one(random, all), pid = one(random, node.workers());
    node.signal("SIGKILL", pid);
    await until("another worker", () => node.workers().length > 0 && !node.workers().includes(pid), 15_000);
  },
  "a node stands still": async ({ nodes: all, random }) => {
    const node = one(random, all), pids = [node.pid, ...node.workers()];
    const ms = between(random, 200, 6000);
    for (const pid of pids) node.signal("SIGSTOP", pid);
    await sleep(node.isEnding ? ms / 2 : ms); // after 5 s of shutdown, the master rightly kills workers that are not done
    for (const pid of pids) node.signal("SIGCONT", pid);
  },
  "reloads": async ({ nodes: all, random }) => {
    for (let i = 0; i < 5; i += 1) {
      one(random, all).signal("SIGHUP");
      await sleep(between(random, 50, 400)); // a random time
    }
  },
  "clients hang up": async ({ random }, load) => {
    for (let i = 0; i < 20; i += 1) {
      one(random, load.clients).close();
      await sleep(between(random, 5, 100)); // a random time
    }
  },
};

const redis = {
  "FLUSHALL": ({ redis: server }) => server.cli(server.ports[0], "FLUSHALL"),
  "Redis is killed, and starts again": async ({ redis: server, random }) => {
    server.signal("SIGKILL");
    await sleep(between(random, 0, 4000)); // a random time
    await server.startAgain(server.ports[0]);
  },
  "Redis stands still": async ({ redis: server, random }) => {
    server.signal("SIGSTOP");
    await sleep(between(random, 200, 4000)); // a random time
    server.signal("SIGCONT");
  },
  "subscribers are cut off": ({ redis: server }) => server.cli(server.ports[0], "-r", "20", "-i", "0.1", "client", "kill", "type", "pubsub"),
  "packets of node 0 to Redis vanish": async ({ proxies, random }) => {
    proxies.redis.set({ kind: "blackhole", ways: one(random, [["up"], ["down"], ["up", "down"]]) });
    await sleep(between(random, 500, 5000)); // a random time
    proxies.redis.pass();
  },
};

const database = ({ random }) => one(random, ["shard0", "global"]);

const postgres = {
  "a database is killed, and starts again": async (stage) => {
    const name = database(stage);
    await stage.postgres.act("kill", name);
    await sleep(between(stage.random, 0, 3000)); // a random time
    await stage.postgres.act("start", name);
  },
  "a database stands still": async (stage) => {
    const name = database(stage);
    await stage.postgres.act("stop", name);
    await sleep(between(stage.random, 200, 4000)); // a random time
    await stage.postgres.act("go", name);
  },
  "heads are locked": async ({ postgres: servers, random }, load) => {
    const channels = load.channels.slice(0, 1 + Math.floor(random() * 2)).map((channel) => `'${channel}'`).join(",");
    await servers.sql("shard0", `BEGIN; SELECT FROM channel_heads WHERE channel_id IN (${channels}) ORDER BY channel_id FOR UPDATE; SELECT pg_sleep(${between(random, 0.2, 4)}); COMMIT`);
  },
  "backends are ended": ({ postgres: servers }) =>
    servers.sql("shard0", "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"),
  "packets of node 0 to a shard vanish": async ({ proxies, random }) => {
    proxies.postgres.set({ kind: "blackhole", ways: one(random, [["up"], ["down"], ["up", "down"]]) });
    await sleep(between(random, 500, 5000)); // a random time
    proxies.postgres.pass();
  },
};

/** For each kind of stage: groups. Two disturbances at a time are drawn from them. */
export const disturbances = { alone: [ends, nodes], fleet: [{ ...ends, ...nodes }, redis, postgres] };
