// SPDX-License-Identifier: Apache-2.0
// Old primaries that come back while nobody writes, and primaries that promise less than they did.

import assert from "node:assert/strict";
import { health } from "../fleet.mjs";
import { sleep, until } from "../server.mjs";
import { nemesis, note } from "../stage.mjs";

/** Connects node 0 to that server. */
function lead({ postgres, proxies }, edge, name) {
  proxies[edge].target = postgres.ports[name];
  proxies[edge].cut();
}

const isReady = async (node) => (await health(node)).http === 200;

/** The clients of node 0: clients connect to the nodes in turn. */
const ofNode0 = ({ clients }) => clients.filter((_, i) => i % 2 === 0);

const quietShard = {
  name: "N15 an old asynchronous primary that comes back while nobody writes acknowledges nothing",
  stage: { replicas: 2, proxied: ["postgres"], load: { clients: 4, ackMs: 7000, silentMs: 9000, reconnects: 0, followsEpochs: true } },
  lossy: true,
  act: async (fleet, load) => {
    const { postgres, nodes } = fleet;
    await load.progress(60);
    await load.hush();
    await nemesis(load, 8000, async () => {
      const epoch = await postgres.lastEpoch("shard0");
      const from = nodes[1].lines.length;
      await postgres.act("kill", "shard0");
      await postgres.promote();
      note(load, "succession", { epoch });
      await until("node 1 is on the new primary", () => nodes[1].line(/store\.epoch shard=0/, from));
      await postgres.act("start", "shard0");
      lead(fleet, "postgres", "shard0");
      await sleep(2000); // the longest time until the fence
      load.speak(ofNode0(load));
      await sleep(5000); // for this time they talk to the old one
      lead(fleet, "postgres", postgres.primary);
    });
    load.speak();
    await until("node 0 is ready again", () => isReady(nodes[0]));
    await load.progress(60);
  },
};

/** Calls the REST interface of a node. */
async function rest(node, method, path, body) {
  const response = await fetch(`http://127.0.0.1:${node.port}/api${path}`, {
    method, body: body && JSON.stringify(body), signal: AbortSignal.timeout(6000),
    headers: { authorization: "Bearer the-back-office", ...(body && { "content-type": "application/json" }) },
  }).catch(() => null);
  return response?.ok;
}

const MEMBER = "/channels/staff/members/user-0";

const quietGlobal = {
  name: "N15 an old primary of the global database readmits no expelled user",
  stage: { globalReplicas: 1, proxied: ["global"], set: { api_keys: ["the-back-office"] }, load: { clients: 4, ackMs: 7000, silentMs: 9000, reconnects: 0 } },
  act: async (fleet, load) => {
    const { postgres, redis, nodes: [node, other] } = fleet, [alice] = load.clients;
    assert.ok(await rest(other, "PUT", "/channels/staff", { name: "staff", visibility: "private" }));
    assert.ok(await rest(other, "PUT", MEMBER, { role: "member" }));
    assert.equal((await alice.join("staff"))?.ok, true);
    await load.progress(40);
    await load.hush();
    await nemesis(load, 8000, async () => {
      await postgres.act("kill", "global");
      await postgres.act("promote", "g1");
      lead(fleet, "global", "g1");
      await until("alice is expelled", () => rest(other, "DELETE", MEMBER));
      note(load, "expelled", { client: alice.name, channel: "staff" });
      await redis.cli(redis.ports[0], "FLUSHALL"); // also removes what Redis knows
      await sleep(2000); // until the nodes have written it again
      await postgres.act("start", "global");
      lead(fleet, "global", "global");
      alice.port = () => node.port;
      alice.close();
      for (const pid of node.workers()) node.signal("SIGKILL", pid); // also removes what they know
      await until("two more workers", () => node.workers().filter((pid) => !node.killed.has(pid)).length === 2);
      const from = performance.now();
      while (performance.now() - from < 4000) {
        if (alice.open) await alice.join("staff");
        await sleep(200); // between two tries
      }
      lead(fleet, "global", "g1");
    });
    load.speak();
    await until("node 0 is ready again", () => isReady(node));
    await load.progress(60);
  },
};

const quorum = [["synchronous_standby_names", "''"], ["synchronous_commit", "off"]].map(([setting, value]) => ({
  name: `N13 nothing is acknowledged while the quorum is disabled (${setting} = ${value})`,
  stage: { replicas: 2, quorum: true, load: { ackMs: 7000, silentMs: 9000, reconnects: 0 } },
  act: async (fleet, load) => {
    const { postgres, nodes } = fleet;
    const set = async (to) => {
      await postgres.sql("shard0", `ALTER SYSTEM SET ${setting} = ${to}`);
      await postgres.sql("shard0", "SELECT pg_reload_conf()");
    };
    await load.progress(40);
    const before = await postgres.sql("shard0", `SHOW ${setting}`);
    await nemesis(load, 8000, async () => {
      await set(value);
      await sleep(500); // for sends under way
      note(load, "deaf", { phase: "start" });
      const nobody = async () => !(await isReady(nodes[0])) && !(await isReady(nodes[1]));
      fleet.noticed = await until("no node is ready", nobody, 7000).catch(() => false);
      await sleep(1000); // for this time nothing may be acknowledged
      note(load, "deaf", { phase: "stop" });
      await set(`'${before}'`);
    });
    await until("both are ready again", async () => (await isReady(nodes[0])) && isReady(nodes[1]));
    await load.progress(60);
  },
  after: (_, { noticed }) => assert.ok(noticed, "a node said that it was ready"),
}));

export default [quietShard, quietGlobal, ...quorum];
