// SPDX-License-Identifier: Apache-2.0
// Two nodes during a failover of Redis: acknowledged messages arrive on both, in one order, whatever the Redis servers do.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";
import { until } from "../scenes/harness.mjs";
import { person } from "../scenes/people.mjs";
import { Redis, health, startFleet } from "./fleet.mjs";

const CHANNELS = 20;

async function crowd(t, nodes) {
  const people = await Promise.all(nodes.map((node, i) => person(t, node, `user-${i}`)));
  for (const someone of people) for (let i = 0; i < CHANNELS; i++) assert.equal((await someone.join(`${t.name.length}-${i}`)).ok, true);
  return people;
}

const busWorks = (nodes) => until("the bus works on all nodes", async () => (await Promise.all(nodes.map(health))).every(({ checks }) => checks.bus === "ok"), 40_000);

/** People send until `trouble` has ended; then everybody must have all messages, in order. */
async function speakThrough(t, nodes, trouble) {
  const people = await crowd(t, nodes);
  const counts = new Array(CHANNELS).fill(0);
  let over = false;
  const speaking = (async () => {
    for (let i = 0; !over || i % CHANNELS; i++) {
      const { ok } = await people[i % people.length].send(`${t.name.length}-${i % CHANNELS}`, i);
      assert.ok(ok);
      counts[i % CHANNELS]++;
    }
  })();
  await trouble();
  await busWorks(nodes);
  over = true;
  await speaking;
  for (const someone of people)
    for (let i = 0; i < CHANNELS; i++) {
      const heard = () => someone.all("message:new").filter(({ channelId }) => channelId === `${t.name.length}-${i}`);
      await until(`${someone.user} has heard all of channel ${i}`, () => heard().length >= counts[i]);
      assert.deepEqual(heard().map(({ seq }) => seq), Array.from({ length: counts[i] }, (_, n) => n + 1));
    }
}

async function fleet(t, mode) {
  const redis = new Redis(t, mode);
  const nodes = await startFleet(t, redis, 2);
  await busWorks(nodes);
  return { redis, nodes };
}

/** A server that becomes a replica or a primary closes its connections, so there may be no answer. */
function role(port) {
  const { stdout } = spawnSync("redis-cli", ["-p", String(port), "role"], { encoding: "utf8", timeout: 10_000 });
  return stdout.split("\n")[0];
}
const cluster = (...arguments_) => execFileSync("redis-cli", ["--cluster", ...arguments_], { encoding: "utf8", timeout: 60_000 });
const nodeId = (port) => execFileSync("redis-cli", ["-p", String(port), "cluster", "myid"], { encoding: "utf8", timeout: 10_000 }).trim();

test("a Redis Cluster's slots move and a primary dies without loss", async (t) => {
  const { redis, nodes } = await fleet(t, "cluster");
  const [first, second, third] = redis.ports;
  await speakThrough(t, nodes, async () => {
    cluster("reshard", `127.0.0.1:${first}`, "--cluster-from", nodeId(first), "--cluster-to", nodeId(second), "--cluster-slots", "300", "--cluster-yes");
    redis.kill(third);
    await until("its replica has taken over", () => redis.ports.slice(3).some((port) => role(port) === "master"), 30_000);
  });
});

test("the Sentinels' primary dies without loss", async (t) => {
  const { redis, nodes } = await fleet(t, "sentinel");
  await speakThrough(t, nodes, async () => {
    redis.kill();
    await until("another is the primary", () => redis.ports.slice(1).some((port) => role(port) === "master"), 30_000);
  });
});
