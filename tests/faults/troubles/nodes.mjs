// SPDX-License-Identifier: Apache-2.0
// Faults of nodes and of the connections to their clients.

import assert from "node:assert/strict";
import { AWAY_MS } from "../checker.mjs";
import { sleep, until } from "../server.mjs";
import { allOnline, nemesis, nobodyElse, onlyWhoLeftIsSaidOffline } from "../stage.mjs";

/** The worker of the node with the most connections. */
const busiest = (node) => [...node.descriptors()].sort(([, one], [, other]) => other - one)[0][0];

export default [
  {
    name: "N1 a killed worker is replaced in a second; clients resume, presence stays right",
    stage: { load: { clients: 10, reconnects: 0 } },
    act: async (fleet, load) => {
      load.leave(load.clients[9]); // the client's worker may be killed during the grace
      load.leaveWhenLost(2);
      for (const node of [...fleet.nodes, fleet.nodes[0]]) {
        await load.progress(40);
        const before = node.workers();
        node.signal("SIGKILL", busiest(node));
        await until("another worker", () => node.workers().some((pid) => !before.includes(pid)), 1500);
      }
      await load.progress(40);
      await allOnline(load, 2000);
      assert.ok(load.gone.size > 1, "nobody was lost with a worker");
      await nobodyElse(load, AWAY_MS);
      onlyWhoLeftIsSaidOffline(load);
    },
  },
  {
    name: "N2 a killed master's workers end in five seconds, and its node starts again",
    stage: { set: { "presence.grace_ms": 1000 } },
    act: async (fleet, load) => {
      const [node] = fleet.nodes, workers = node.workers();
      await load.progress(40);
      await nemesis(load, 5000, async () => {
        node.signal("SIGKILL");
        load.leaveWhenLost(1);
        await node.exit;
        await until("the workers have ended", () => workers.every((pid) => !node.alive(pid)), 6000);
        await node.start();
      });
      await load.progress(60);
    },
  },
  {
    name: "N4 a node that was suspended goes on without a gap, loss or duplicate",
    stage: { load: { silentMs: 30_000 } },
    act: async (fleet, load) => {
      const [node] = fleet.nodes, all = [node.pid, ...node.workers()];
      await load.progress(40);
      await nemesis(load, 5000, async () => {
        for (const pid of all) node.signal("SIGSTOP", pid);
        load.leave(load.clients[6]); // this node cannot notice
        await sleep(8000); // longer than a worker's lease
        for (const pid of all) node.signal("SIGCONT", pid);
      });
      await load.progress(60);
      await allOnline(load, 10_000);
      await nobodyElse(load, AWAY_MS);
    },
  },
  {
    name: "N20 slow, lossy and sliced client connections keep the order and disconnect nobody",
    stage: { proxied: ["clients"], set: { ping_timeout_ms: 5000 }, load: { reconnects: 0 } },
    act: async (fleet, load) => {
      for (const fault of [{ kind: "latency", ms: 80, jitterMs: 40 }, { kind: "loss", share: 0.02, ms: 250 }, { kind: "rate", bytesPerSecond: 125_000 }, { kind: "slice", bytes: 1 }]) {
        for (const proxy of fleet.proxies.clients) proxy.set(fault);
        await load.progress(50);
      }
      for (const proxy of fleet.proxies.clients) proxy.pass();
      assert.deepEqual(load.history.filter(({ type }) => type === "disconnect"), []);
    },
  },
];
