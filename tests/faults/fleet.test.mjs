// Faults of a fleet under load: two nodes of two workers, whatever happens to them, to Redis or to PostgreSQL: the checker
// finds no broken promise. The numbers are those of docs/guarantees.md.

import assert from "node:assert/strict";
import test from "node:test";
import { AWAY_MS, saidOffline } from "./checker.mjs";
import { Disk } from "./disk.mjs";
import { health } from "./fleet.mjs";
import { sleep, until } from "./server.mjs";
import { allOnline, busWorks, losePrimary, nemesis, nobodyElse, percentile, returnOldPrimary, scene, settle } from "./stage.mjs";

const TIME = { timeout: 120_000 };

/** How long after its acknowledgement each one had what was said since then, in ms. */
function deliveries(history, since) {
  const acked = new Map(), delays = [];
  for (const { type, retry, channel, seq, t } of history) if (type === "ok" && !retry && t > since) acked.set(`${channel} ${seq}`, t);
  for (const { type, how, channel, seq, t } of history) {
    const from = type === "recv" && how === "live" ? acked.get(`${channel} ${seq}`) : undefined;
    if (from !== undefined) delays.push(Math.max(0, t - from));
  }
  return delays;
}

/** How long each acknowledgement took, in ms. */
function acknowledgements(history) {
  const asked = new Map(), delays = [];
  for (const { type, client, clientId, t } of history) {
    if (type === "invoke") asked.set(`${client} ${clientId}`, t);
    else if (type === "ok" && asked.has(`${client} ${clientId}`)) { delays.push(t - asked.get(`${client} ${clientId}`)); asked.delete(`${client} ${clientId}`); }
  }
  return delays;
}

/** The worker of the node that has most connections. */
const busiest = (node) => [...node.descriptors()].sort(([, one], [, other]) => other - one)[0][0];

/** Of those who have not left nobody was said to be offline. */
function onlyWhoLeftIsSaidOffline(load) {
  const there = new Set(load.present.map(({ name }) => name));
  assert.deepEqual(saidOffline(load.history).filter(({ user }) => there.has(user)), []);
}

test("N1 a killed worker is replaced within a second; its clients resume on either node without a gap; who comes back is not said to be away, who does not is", TIME, () =>
  scene({ load: { clients: 10, reconnects: 0 } }, async (fleet, load) => {
    load.leave(load.clients[9]); // his worker may be killed in his grace
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
    await settle(fleet, load);
  }));

test("N2 workers of a killed master end within five seconds; its node starts again on its port; who does not come back is offline", TIME, () =>
  scene({ set: { "presence.grace_ms": 1000 } }, async (fleet, load) => {
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
    await settle(fleet, load);
  }));

test("N4 a node that stood still goes on without a gap, a loss or a second delivery; who left it meanwhile is offline", TIME, () =>
  scene({ load: { silentMs: 30_000 } }, async (fleet, load) => {
    const [node] = fleet.nodes, all = [node.pid, ...node.workers()];
    await load.progress(40);
    await nemesis(load, 5000, async () => {
      for (const pid of all) node.signal("SIGSTOP", pid);
      load.leave(load.clients[6]); // this node does not notice
      await sleep(8000);
      for (const pid of all) node.signal("SIGCONT", pid);
    });
    await load.progress(60);
    await allOnline(load, 10_000);
    await nobodyElse(load, AWAY_MS);
    await settle(fleet, load);
  }));

const REPLICAS = [3, 4, 5]; // by their place among a Cluster's ports

test("N5 a Redis Cluster's primary is killed: sends go on, and what was missed comes in order", TIME, () =>
  scene({ redis: "cluster" }, async (fleet, load) => {
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
    await settle(fleet, load);
  }));

test("N6 the Sentinels' primary is killed: sends go on, and what was missed comes in order", TIME, () =>
  scene({ redis: "sentinel" }, async (fleet, load) => {
    const { redis } = fleet;
    await load.progress(40);
    await nemesis(load, 1000, async () => {
      redis.signal("SIGKILL", redis.ports[0]);
      await load.progress(40);
      await until("another one is the primary", () => redis.primaryAmong(redis.ports.slice(1)));
    });
    await busWorks(fleet);
    await load.progress(40);
    await settle(fleet, load);
  }));

test("N7 a Redis primary that stood still through its failover costs no event", TIME, () =>
  scene({ redis: "cluster" }, async (fleet, load) => {
    const { redis } = fleet;
    await load.progress(40);
    await nemesis(load, 1000, async () => {
      redis.signal("SIGSTOP", redis.ports[0]);
      load.leave(load.clients[6]);
      await until("its replica is the primary", () => redis.primaryAmong([redis.ports[3]]));
      await sleep(500);
      redis.signal("SIGCONT", redis.ports[0]);
    });
    await busWorks(fleet);
    await allOnline(load, 10_000);
    await load.progress(60);
    await settle(fleet, load);
  }));

test("N8 FLUSHALL, twice, costs no event, and nobody is said to be away", TIME, () =>
  scene({ redis: "cluster", load: { reconnects: 0 } }, async (fleet, load) => {
    const { redis } = fleet;
    for (let round = 0; round < 2; round += 1) {
      await load.progress(40);
      await Promise.all(redis.ports.slice(0, 3).map((port) => redis.cli(port, "FLUSHALL")));
    }
    await sleep(9000); // leases that were lost would have ended by now
    await allOnline(load, 1000);
    onlyWhoLeftIsSaidOffline(load);
    await settle(fleet, load);
  }));

test("N9 without Redis the nodes are degraded and ready, and what is said comes from the store within half a second; who left is offline afterwards", TIME, () =>
  scene({ redis: "cluster", set: { "presence.grace_ms": 1000 }, load: { clients: 10, reconnects: 0 } }, async (fleet, load) => {
    const { redis } = fleet;
    await load.progress(40);
    load.leave(load.clients[9]); // the grace of both who leave ends while Redis is away
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
    await settle(fleet, load);
  }));

test("N10 Redis Cluster moves slots and changes a primary under load; nothing is missed", TIME, () =>
  scene({ redis: "cluster" }, async (fleet, load) => {
    const { redis } = fleet, [first, second] = redis.ports;
    const id = async (port) => (await redis.cli(port, "cluster", "myid")).trim();
    await load.progress(40);
    await redis.cli(first, "--cluster", "reshard", `127.0.0.1:${first}`, "--cluster-from", await id(first), "--cluster-to", await id(second), "--cluster-slots", "100", "--cluster-yes");
    await load.progress(40);
    const replica = redis.ports[REPLICAS[1]];
    await redis.cli(replica, "cluster", "failover");
    await until("the replica is the primary", () => redis.primaryAmong([replica]));
    await load.progress(60);
    await settle(fleet, load);
  }));

const epochs = (truth) => new Set(truth.map(({ epoch }) => epoch));

test("N11 a PostgreSQL primary is killed and a standby of its quorum promoted: nothing is lost, nobody is reset", TIME, () =>
  scene({ replicas: 2, quorum: true, load: { reconnects: 0.05 } }, async (fleet, load) => {
    const { postgres } = fleet;
    await load.progress(80);
    await nemesis(load, 5000, async () => {
      await postgres.act("kill", "shard0");
      await postgres.promote();
    });
    await load.progress(80);
    const { history, truth } = await settle(fleet, load);
    assert.equal(epochs(truth).size, 2);
    assert.deepEqual(history.filter(({ type }) => type === "reset"), []);
  }));

test("N12 an asynchronous standby is promoted: what is lost is announced to all who knew of it", TIME, () =>
  scene({ replicas: 2, load: { rate: 150, reconnects: 0.05, followsEpochs: true } }, async (fleet, load) => {
    await losePrimary(fleet, load);
    const { history, truth } = await settle(fleet, load, { lossy: true });
    const stored = new Set(truth.map(({ channel, seq, epoch }) => `${channel} ${seq} ${epoch}`));
    const lost = history.filter(({ type, channel, seq, epoch }) => type === "ok" && !stored.has(`${channel} ${seq} ${epoch}`));
    assert.ok(lost.length > 0, "nothing was lost: the fault proves nothing");
    assert.equal(epochs(truth).size, 2);
  }));

test("N13 standbys of a quorum stand still: sends are refused at their deadline, and a retry is a duplicate", TIME, () =>
  scene({ replicas: 2, quorum: true, load: { ackMs: 7000, silentMs: 9000, rate: 30, reconnects: 0 } }, async (fleet, load) => {
    const { postgres } = fleet;
    await load.progress(40);
    await nemesis(load, 3000, async () => {
      await postgres.act("sender-stop", "shard0");
      const from = load.history.length;
      await until("sends are refused", () => load.history.slice(from).some(({ type, code }) => type === "unknown" && code === "unavailable"), 8000);
      await postgres.act("sender-go", "shard0");
    });
    await load.progress(40);
    const { history } = await settle(fleet, load);
    assert.ok(history.some(({ type, retry, duplicate }) => type === "ok" && retry && duplicate), "no retry was a duplicate");
  }));

test("N14 a commit that is cancelled while it waits for its standby is not acknowledged", TIME, () =>
  scene({ replicas: 2, quorum: true, load: { reconnects: 0 } }, async (fleet, load) => {
    const { postgres } = fleet;
    await load.progress(40);
    await nemesis(load, 3000, async () => {
      await postgres.act("sender-stop", "shard0");
      await until("a commit is cancelled", async () => Number(await postgres.sql("shard0", "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")) > 0);
      const from = load.ok;
      await sleep(500);
      assert.equal(load.ok, from);
      await postgres.act("sender-go", "shard0");
    });
    await load.progress(60);
    await settle(fleet, load);
  }));

test("N15 an old primary of a quorum that comes back can acknowledge nothing, even to workers that take it for the primary", TIME, () =>
  scene({ replicas: 2, quorum: true, env: { STOA_FAULT: "no_epoch_floor" }, proxied: ["postgres"], load: { ackMs: 7000, silentMs: 9000, reconnects: 0 } }, async (fleet, load) => {
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
    const { history, truth } = await settle(fleet, load);
    assert.equal(epochs(truth).size, 2);
    assert.deepEqual(history.filter(({ type }) => type === "reset"), []);
  }));

test("N15 an old asynchronous primary that comes back is not believed: neither by those who know of its successor, nor by workers that begin", TIME, () =>
  // Two clients for four workers: those that write nothing must find out as well.
  scene({ replicas: 2, proxied: ["postgres"], load: { clients: 2, ackMs: 7000, silentMs: 9000, reconnects: 0, followsEpochs: true } }, async (fleet, load) => {
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
    const { truth } = await settle(fleet, load, { lossy: true });
    assert.equal(epochs(truth).size, 2);
  }));

test("N16 PgBouncer is killed: what was under way is sent again under the same ids; a pause adds latency only", TIME, () =>
  scene({ shards: 2, bouncer: true, load: { ackMs: 7000, silentMs: 9000, reconnects: 0 } }, async (fleet, load) => {
    const { postgres } = fleet;
    await load.progress(40);
    await nemesis(load, 3000, async () => {
      await postgres.act("kill", "bouncer");
      await sleep(300);
      await postgres.act("start", "bouncer");
    });
    await load.progress(60);
    const from = load.history.length;
    await nemesis(load, 3000, async () => {
      postgres.signalBouncer("SIGUSR1"); // PAUSE
      await sleep(3000);
      postgres.signalBouncer("SIGUSR2"); // RESUME
    });
    await load.progress(60);
    assert.deepEqual(load.history.slice(from).filter(({ type }) => type === "unknown" || type === "disconnect"), []);
    await settle(fleet, load);
  }));

test("N17 a lock on a channel's head stalls that channel only", TIME, () =>
  scene({ load: { channels: 4, loyal: true, ackMs: 7000, silentMs: 9000 } }, async (fleet, load) => {
    const { postgres } = fleet, [hot] = load.channels;
    await load.progress(40);
    const from = performance.now();
    await nemesis(load, 3000, () => postgres.sql("shard0", `BEGIN; SELECT FROM channel_heads WHERE channel_id = '${hot}' FOR UPDATE; SELECT pg_sleep(7); COMMIT`));
    const during = load.history.filter(({ t }) => t > from + 500 && t < from + 7000);
    assert.ok(during.some(({ type, channel, code }) => channel === hot && type === "unknown" && code === "unavailable"), "nobody was refused in the locked channel");
    assert.ok(during.some(({ type, channel }) => channel !== hot && type === "ok"));
    const delays = acknowledgements(during.filter(({ channel }) => channel !== hot));
    assert.ok(percentile(delays, 0.99) < 500, `99 % of the others' acknowledgements took ${percentile(delays, 0.99)} ms`);
    await load.progress(60);
    await settle(fleet, load);
  }));

test("N18 a replica that is five seconds behind makes no gap in a resume", TIME, () =>
  scene({ replicas: 1, reads: ["r1"], load: { reconnects: 0.3 } }, async (fleet, load) => {
    const { postgres } = fleet;
    await load.progress(40);
    await postgres.sql("r1", "ALTER SYSTEM SET recovery_min_apply_delay = '5s'");
    await postgres.sql("r1", "SELECT pg_reload_conf()");
    await load.progress(200);
    const { history } = await settle(fleet, load);
    assert.ok(history.filter(({ type, how }) => type === "recv" && how === "resume").length > 20);
  }));

test("N20 slow, lossy, thin and sliced edges to the clients change no order, and nobody is thrown out", TIME, () =>
  scene({ proxied: ["clients"], set: { ping_timeout_ms: 5000 }, load: { reconnects: 0 } }, async (fleet, load) => {
    for (const fault of [{ kind: "latency", ms: 80, jitterMs: 40 }, { kind: "loss", share: 0.02, ms: 250 }, { kind: "rate", bytesPerSecond: 125_000 }, { kind: "slice", bytes: 1 }]) {
      for (const proxy of fleet.proxies.clients) proxy.set(fault);
      await load.progress(50);
    }
    for (const proxy of fleet.proxies.clients) proxy.pass();
    assert.deepEqual(load.history.filter(({ type }) => type === "disconnect"), []);
    await settle(fleet, load);
  }));

for (const ways of [["up", "down"], ["down"]]) {
  test(`N21 a node whose packets to PostgreSQL vanish (${ways}) finds out by its deadlines; the other one goes on`, TIME, () =>
    scene({ proxied: ["postgres"], load: { ackMs: 7000, silentMs: 9000, reconnects: 0 } }, async (fleet, load) => {
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
      await settle(fleet, load);
    }));

  test(`N21 a node whose packets to Redis vanish (${ways}) finds out within five seconds, and misses nothing`, TIME, () =>
    scene({ proxied: ["redis"], load: { reconnects: 0 } }, async (fleet, load) => {
      await load.progress(40);
      await nemesis(load, 1000, async () => {
        fleet.proxies.redis.set({ kind: "blackhole", ways });
        await until("the node says that it is degraded", async () => (await health(fleet.nodes[0])).status === "degraded", 5000);
        await load.progress(40);
        fleet.proxies.redis.pass();
      });
      await busWorks(fleet);
      await load.progress(40);
      await settle(fleet, load);
    }));
}

test("N23 a PostgreSQL whose disk is full takes nothing, and what was acknowledged is there when it has room again", TIME, async (t) => {
  const disk = await Disk.mount(500).catch((error) => error);
  if (disk instanceof Error) { t.skip(`no tmpfs can be mounted: ${disk.message}`); return; }
  try {
    await scene({ parent: disk.folder, load: { ackMs: 7000, silentMs: 9000, reconnects: 0 } }, async (fleet, load) => {
      const { postgres } = fleet;
      await load.progress(40);
      await nemesis(load, 8000, async () => {
        await disk.fill();
        const from = load.history.length;
        await until("sends are refused", async () => {
          await postgres.sql("shard0", "SELECT pg_switch_wal()").catch(() => {}); // it has no room for the next segment
          return load.history.slice(from).some(({ type, code }) => type === "unknown" && code === "unavailable");
        }, 20_000);
        await disk.free();
        for (const name of ["global", "shard0"]) await postgres.act("start", name).catch(() => {}); // where it has panicked
      });
      await load.progress(60);
      await settle(fleet, load);
    });
  } finally {
    await disk.unmount();
  }
});
