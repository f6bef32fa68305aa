// SPDX-License-Identifier: Apache-2.0
// Faults of PostgreSQL.

import assert from "node:assert/strict";
import { health } from "../fleet.mjs";
import { sleep, until } from "../server.mjs";
import { losePrimary, nemesis, percentile, returnOldPrimary } from "../stage.mjs";

/** The delay of each acknowledgement, in ms. */
function acknowledgements(history) {
  const asked = new Map(), delays = [];
  for (const { type, client, clientId, t } of history) {
    if (type === "invoke") asked.set(`${client} ${clientId}`, t);
    else if (type === "ok" && asked.has(`${client} ${clientId}`)) { delays.push(t - asked.get(`${client} ${clientId}`)); asked.delete(`${client} ${clientId}`); }
  }
  return delays;
}

const epochs = (truth) => new Set(truth.map(({ epoch }) => epoch));

export default [
  {
    name: "N11 promoting a quorum standby of a killed primary loses nothing and resets nobody",
    stage: { replicas: 2, quorum: true, load: { reconnects: 0.05 } },
    act: async (fleet, load) => {
      const { postgres } = fleet;
      await load.progress(80);
      await nemesis(load, 5000, async () => {
        await postgres.act("kill", "shard0");
        await postgres.promote();
      });
      await load.progress(80);
    },
    after: ({ history, truth }) => {
      assert.equal(epochs(truth).size, 2);
      assert.deepEqual(history.filter(({ type }) => type === "reset"), []);
    },
  },
  {
    name: "N12 promoting an asynchronous standby announces each loss to all who knew of it",
    stage: { replicas: 2, load: { rate: 150, reconnects: 0.05, followsEpochs: true } },
    lossy: true,
    act: async (fleet, load) => {
      await losePrimary(fleet, load);
    },
    after: ({ history, truth }) => {
      const stored = new Set(truth.map(({ channel, seq, epoch }) => `${channel} ${seq} ${epoch}`));
      const lost = history.filter(({ type, channel, seq, epoch }) => type === "ok" && !stored.has(`${channel} ${seq} ${epoch}`));
      assert.ok(lost.length > 0, "nothing was lost: the fault proves nothing");
      assert.equal(epochs(truth).size, 2);
    },
  },
  {
    name: "N13 while quorum standbys are suspended, sends are refused, and retries are duplicates",
    stage: { replicas: 2, quorum: true, load: { ackMs: 7000, silentMs: 9000, rate: 30, reconnects: 0 } },
    act: async (fleet, load) => {
      const { postgres } = fleet;
      await load.progress(40);
      await nemesis(load, 3000, async () => {
        await postgres.act("sender-stop", "shard0");
        const from = load.history.length;
        await until("sends are refused", () => load.history.slice(from).some(({ type, code }) => type === "unknown" && code === "unavailable"), 8000);
        await postgres.act("sender-go", "shard0");
      });
      await load.progress(40);
    },
    after: ({ history }) => {
      assert.ok(history.some(({ type, retry, duplicate }) => type === "ok" && retry && duplicate), "no retry was a duplicate");
    },
  },
  {
    name: "N14 a commit cancelled while it waits for its standby is not acknowledged",
    stage: { replicas: 2, quorum: true, load: { reconnects: 0 } },
    act: async (fleet, load) => {
      const { postgres } = fleet;
      await load.progress(40);
      await nemesis(load, 3000, async () => {
        await postgres.act("sender-stop", "shard0");
        await until("a commit is cancelled", async () => Number(await postgres.sql("shard0", "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")) > 0);
        const from = load.ok;
        await sleep(500); // an acknowledgement would have come
        assert.equal(load.ok, from);
        await postgres.act("sender-go", "shard0");
      });
      await load.progress(60);
    },
  },
  {
    name: "N15 an old quorum primary that comes back can acknowledge nothing",
    stage: { replicas: 2, quorum: true, env: { STOA_FAULT: "no_epoch_floor" }, proxied: ["postgres"], load: { ackMs: 7000, silentMs: 9000, reconnects: 0 } },
    act: async (fleet, load) => {
      const { postgres } = fleet;
      const waiting = async (name) => Number(await postgres.sql(name, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"));
      await load.progress(60);
      await returnOldPrimary(fleet, load, async () => {
        await until("node 0 writes to the old one, in vain", async () => (await waiting("shard0")) > 0);
        await load.progress(20); // node 1
        await until("node 0 says that it is not ready", async () => (await health(fleet.nodes[0])).http === 503);
      });
      await until("node 0 is ready again", async () => (await health(fleet.nodes[0])).http === 200);
      await load.progress(60);
    },
    after: ({ history, truth }) => {
      assert.equal(epochs(truth).size, 2);
      assert.deepEqual(history.filter(({ type }) => type === "reset"), []);
    },
  },
  {
    name: "N15 an old asynchronous primary that comes back is not believed by any worker",
    // Two clients for four workers: workers that write nothing must notice too.
    stage: { replicas: 2, proxied: ["postgres"], load: { clients: 2, ackMs: 7000, silentMs: 9000, reconnects: 0, followsEpochs: true } },
    lossy: true,
    act: async (fleet, load) => {
      const { postgres } = fleet, [node] = fleet.nodes;
      await load.progress(60);
      await returnOldPrimary(fleet, load, async () => {
        const before = await postgres.sql("shard0", "SELECT count(*) FROM events");
        await until("node 0 says that it is not ready", async () => (await health(node)).http === 503);
        for (const pid of node.workers()) {
          node.signal("SIGKILL", pid);
          await until("another worker", () => node.workers().length === 2 && !node.workers().includes(pid));
        }
        const from = node.lines.length;
        await load.progress(60); // node 1
        await until("node 0 has tried it, and is not ready", async () => node.line(/store\.shard_fenced/) && (await health(node)).http === 503);
        assert.equal(node.line(/store\.works/, from), null);
        assert.equal(await postgres.sql("shard0", "SELECT count(*) FROM events"), before);
      });
      await until("node 0 is ready again", async () => (await health(node)).http === 200);
      await load.progress(60);
    },
    after: ({ truth }) => {
      assert.equal(epochs(truth).size, 2);
    },
  },
  {
    name: "N16 sends are retried after PgBouncer is killed; its pause only adds latency",
    stage: { shards: 2, bouncer: true, load: { ackMs: 7000, silentMs: 9000, reconnects: 0 } },
    act: async (fleet, load) => {
      const { postgres } = fleet;
      await load.progress(40);
      await nemesis(load, 3000, async () => {
        await postgres.act("kill", "bouncer");
        await sleep(300); // for this time there is none
        await postgres.act("start", "bouncer");
      });
      await load.progress(60);
      const from = load.history.length;
      await nemesis(load, 3000, async () => {
        postgres.signalBouncer("SIGUSR1"); // PAUSE
        await sleep(3000); // less than the deadline of a send
        postgres.signalBouncer("SIGUSR2"); // RESUME
      });
      await load.progress(60);
      assert.deepEqual(load.history.slice(from).filter(({ type }) => type === "unknown" || type === "disconnect"), []);
    },
  },
  {
    name: "N17 a lock on a channel's head stalls that channel only",
    stage: { load: { channels: 4, loyal: true, ackMs: 7000, silentMs: 9000 } },
    act: async (fleet, load) => {
      const { postgres } = fleet, [hot] = load.channels;
      await load.progress(40);
      const from = performance.now();
      await nemesis(load, 3000, () => postgres.sql("shard0", `BEGIN; SELECT FROM channel_heads WHERE channel_id = '${hot}' FOR UPDATE; SELECT pg_sleep(7); COMMIT`));
      const to = performance.now(), during = load.history.filter(({ t }) => t > from + 500 && t < to);
      assert.ok(during.some(({ type, channel, code }) => channel === hot && type === "unknown" && code === "unavailable"), "nobody was refused in the locked channel");
      assert.ok(during.some(({ type, channel }) => channel !== hot && type === "ok"));
      const delays = acknowledgements(during.filter(({ channel }) => channel !== hot));
      assert.ok(percentile(delays, 0.99) < 500, `99 % of the others' acknowledgements took ${percentile(delays, 0.99)} ms`);
      await load.progress(60);
    },
  },
  {
    name: "N18 a replica that is five seconds behind makes no gap in a resume",
    stage: { replicas: 1, reads: ["r1"], load: { reconnects: 0.3 } },
    act: async (fleet, load) => {
      const { postgres } = fleet;
      await load.progress(40);
      await postgres.sql("r1", "ALTER SYSTEM SET recovery_min_apply_delay = '5s'");
      await postgres.sql("r1", "SELECT pg_reload_conf()");
      await load.progress(200);
    },
    after: ({ history }) => {
      assert.ok(history.filter(({ type, how }) => type === "recv" && how === "resume").length > 20);
    },
  },
  ...[["up", "down"], ["down"]].map((ways) => ({
    name: `N21 a node that loses packets to PostgreSQL (${ways}) notices in time; the other goes on`,
    stage: { proxied: ["postgres"], load: { ackMs: 7000, silentMs: 9000, reconnects: 0 } },
    act: async (fleet, load) => {
      await load.progress(40);
      await nemesis(load, 6000, async () => {
        const from = load.history.length;
        fleet.proxies.postgres.set({ kind: "blackhole", ways });
        await until("the node says that it is not ready", async () => (await health(fleet.nodes[0])).http === 503, 8000);
        await until("sends are refused", () => load.history.slice(from).some(({ type, code }) => type === "unknown" && code === "unavailable"), 8000);
        await load.progress(20);
        assert.equal((await health(fleet.nodes[1])).http, 200);
        fleet.proxies.postgres.pass();
      });
      await until("the node is ready again", async () => (await health(fleet.nodes[0])).http === 200, 15_000);
      await load.progress(60);
    },
  })),
  {
    name: "N23 a PostgreSQL with a full disk refuses sends and keeps acknowledged ones",
    stage: { disk: 500, load: { ackMs: 7000, silentMs: 9000, reconnects: 0 } },
    act: async ({ postgres, disk }, load) => {
      await load.progress(40);
      await nemesis(load, 8000, async () => {
        await disk.fill();
        const from = load.history.length;
        await until("sends are refused", async () => {
          await postgres.sql("shard0", "SELECT pg_switch_wal()").catch(() => {}); // it has no room for the next segment
          return load.history.slice(from).some(({ type, code }) => type === "unknown" && code === "unavailable");
        }, 20_000);
        await disk.free();
        for (const name of ["global", "shard0"]) await postgres.act("start", name).catch(() => {}); // in case it has panicked
      });
      await load.progress(60);
    },
  },
];
