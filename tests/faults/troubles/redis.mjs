// SPDX-License-Identifier: Apache-2.0
// Faults of Redis.

import assert from "node:assert/strict";
import { AWAY_MS } from "../checker.mjs";
import { health } from "../fleet.mjs";
import { sleep, until } from "../server.mjs";
import { allOnline, busWorks, nemesis, nobodyElse, onlyWhoLeftIsSaidOffline, percentile } from "../stage.mjs";

/** The delay from acknowledgement to delivery of each message since then, in ms. */
function deliveries(history, since) {
  const acked = new Map(), delays = [];
  for (const { type, retry, channel, seq, t } of history) if (type === "ok" && !retry && t > since) acked.set(`${channel} ${seq}`, t);
  for (const { type, how, channel, seq, t } of history) {
    const from = type === "recv" && how === "live" ? acked.get(`${channel} ${seq}`) : undefined;
    if (from !== undefined) delays.push(Math.max(0, t - from));
  }
  return delays;
}

const REPLICAS = [3, 4, 5]; // indexes into a Cluster's ports

export default [
  {
    name: "N5 sends go on, in order, when a Redis Cluster's primary is killed",
    stage: { redis: "cluster" },
    act: async (fleet, load) => {
      const { redis } = fleet;
      await load.progress(40);
      await nemesis(load, 1000, async () => {
        redis.signal("SIGKILL", redis.ports[0]);
        await load.progress(40);
        await until("its replica is the primary", () => redis.primaryAmong([redis.ports[3]]));
      });
      await load.progress(40);
      await busWorks(fleet);
      await load.progress(40);
    },
  },
  {
    name: "N6 sends go on, in order, when the Sentinels' primary is killed",
    stage: { redis: "sentinel" },
    act: async (fleet, load) => {
      const { redis } = fleet;
      await load.progress(40);
      await nemesis(load, 1000, async () => {
        redis.signal("SIGKILL", redis.ports[0]);
        await load.progress(40);
        await until("another one is the primary", () => redis.primaryAmong(redis.ports.slice(1)));
      });
      await busWorks(fleet);
      await load.progress(40);
    },
  },
  {
    name: "N7 a Redis primary that is suspended during its failover costs no event",
    stage: { redis: "cluster" },
    act: async (fleet, load) => {
      const { redis } = fleet;
      await load.progress(40);
      await nemesis(load, 1000, async () => {
        redis.signal("SIGSTOP", redis.ports[0]);
        load.leave(load.clients[6]);
        await until("its replica is the primary", () => redis.primaryAmong([redis.ports[3]]));
        await sleep(500); // it stays suspended a while longer
        redis.signal("SIGCONT", redis.ports[0]);
      });
      await busWorks(fleet);
      await allOnline(load, 10_000);
      await load.progress(60);
    },
  },
  {
    name: "N8 two FLUSHALLs cost no event and make nobody look offline",
    stage: { redis: "cluster", load: { reconnects: 0 } },
    act: async (fleet, load) => {
      const { redis } = fleet;
      for (let round = 0; round < 2; round += 1) {
        await load.progress(40);
        await Promise.all(redis.ports.slice(0, 3).map((port) => redis.cli(port, "FLUSHALL")));
      }
      await sleep(9000); // lost leases would have expired by now
      await allOnline(load, 1000);
      onlyWhoLeftIsSaidOffline(load);
    },
  },
  {
    name: "N9 without Redis, nodes stay ready, and the store delivers within half a second",
    stage: { redis: "cluster", set: { "presence.grace_ms": 1000 }, load: { clients: 10, reconnects: 0 } },
    act: async (fleet, load) => {
      const { redis } = fleet;
      await load.progress(40);
      load.leave(load.clients[9]); // the grace of both clients that leave ends while Redis is away
      await nemesis(load, 1000, async () => {
        for (const port of redis.ports) redis.signal("SIGKILL", port);
        await until("both say so", async () => (await Promise.all(fleet.nodes.map(health))).every(({ http, status }) => http === 200 && status === "degraded"));
        load.leave(load.clients[8]);
        const from = performance.now();
        await load.progress(150);
        const delays = deliveries(load.history, from);
        assert.ok(delays.length > 200, `only ${delays.length} deliveries`);
        assert.ok(percentile(delays, 0.9) < 500, `90 % came within ${percentile(delays, 0.9)} ms`);
        await Promise.all(redis.ports.map((port) => redis.startAgain(port)));
      });
      await busWorks(fleet);
      await load.progress(60);
      await nobodyElse(load, AWAY_MS);
    },
  },
  {
    name: "N10 moving slots and changing a primary of a Redis Cluster loses nothing",
    stage: { redis: "cluster" },
    act: async (fleet, load) => {
      const { redis } = fleet, [first, second] = redis.ports;
      const id = async (port) => (await redis.cli(port, "cluster", "myid")).trim();
      await load.progress(40);
      await redis.cli(first, "--cluster", "reshard", `127.0.0.1:${first}`, "--cluster-from", await id(first), "--cluster-to", await id(second), "--cluster-slots", "100", "--cluster-yes");
      await load.progress(40);
      const replica = redis.ports[REPLICAS[1]];
      await redis.cli(replica, "cluster", "failover");
      await until("the replica is the primary", () => redis.primaryAmong([replica]));
      await load.progress(60);
    },
  },
  ...[["up", "down"], ["down"]].map((ways) => ({
    name: `N21 a node that loses packets to Redis (${ways}) notices within five seconds and misses nothing`,
    stage: { proxied: ["redis"], load: { reconnects: 0 } },
    act: async (fleet, load) => {
      await load.progress(40);
      await nemesis(load, 1000, async () => {
        fleet.proxies.redis.set({ kind: "blackhole", ways });
        await until("the node says that it is degraded", async () => (await health(fleet.nodes[0])).status === "degraded", 5000);
        await load.progress(40);
        fleet.proxies.redis.pass();
      });
      await busWorks(fleet);
      await load.progress(40);
    },
  })),
];
