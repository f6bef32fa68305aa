// SPDX-License-Identifier: Apache-2.0
// What the fault tests share: a stage (one machine on SQLite, or a fleet) and its load, the record of a fault's time, the verdict.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { Alone } from "./alone.mjs";
import { check, saidOffline } from "./checker.mjs";
import { Fleet, health } from "./fleet.mjs";
import { Load, randomFrom } from "./load.mjs";
import { sleep, until } from "./server.mjs";

const DESCRIPTORS_SLACK = 10;

/** The first report of a sanitizer. */
function report({ past, lines }) {
  const all = [...past, ...lines], at = all.findIndex((line) => /Sanitizer|runtime error:/.test(line));
  return at < 0 ? [] : all.slice(at, at + 60);
}

/** For the reader of a failure: counts by kind of event, and the last lines of each node. */
function account(stage, load) {
  const counts = {};
  for (const { type, code } of load?.history ?? []) counts[code ? `${type} ${code}` : type] = (counts[code ? `${type} ${code}` : type] ?? 0) + 1;
  return [JSON.stringify(counts), ...stage.nodes.map((node) => [...report(node), ...node.lines.slice(-25)].join("\n"))].join("\n\n");
}

/** options: of the stage (alone: one machine, otherwise a fleet); `load`: options of the load. The load's seed also decides
 * stage.random, with which a fault chooses its moments. */
export async function scene(options, act) {
  const stage = options.alone ? new Alone(options) : new Fleet(options);
  let load;
  try {
    await stage.start();
    stage.descriptors = stage.nodes.map((node) => node.descriptors());
    load = await new Load(stage, options.load).start();
    stage.random = randomFrom(load.seed);
    await act(stage, load);
  } catch (error) {
    error.message += `\n${account(stage, load)}`;
    throw error;
  } finally {
    load?.close();
    await stage.clean();
  }
}

/** Records an action of a fault in the history. */
export const note = (load, type, fields) => load.history.push({ t: performance.now(), type, ...fields });

/** Records the time of the fault; after it, sends must be acknowledged within boundMs. only: the channels that it may stall. */
export async function nemesis(load, boundMs, fault, { only } = {}) {
  note(load, "nemesis", { phase: "start", boundMs, only });
  const result = await fault();
  note(load, "nemesis", { phase: "stop", boundMs });
  return result;
}

/** I13: when all clients have left, each worker that survived has about as many descriptors as at its start. (Memory is not
 * checked, because a sanitizer keeps freed memory.) */
async function descriptorsAreBack({ nodes, descriptors }) {
  let grown;
  const back = () => {
    grown = nodes.flatMap((node, i) => [...node.descriptors()].map(([pid, count]) => ({ pid, before: descriptors[i].get(pid), count })))
      .filter(({ before, count }) => before !== undefined && Math.abs(count - before) > DESCRIPTORS_SLACK);
    return grown.length === 0;
  };
  await until("descriptors are back", back).catch(() => {});
  return grown.map(({ pid, before, count }) => `I13 descriptors: worker ${pid} had ${before} and has ${count}`);
}

/** Ends the load and the nodes: {violations, history, truth}. */
export async function verdict(stage, load, options) {
  const history = await load.finish();
  load.close();
  const leaks = await descriptorsAreBack(stage);
  const ends = await Promise.all(stage.nodes.map((node) => node.stop()));
  const crashes = stage.nodes.flatMap((node) => [...node.crashes(), ...report(node).slice(0, 1)]).map((line) => `I13 crash: ${line}`);
  const wrongEnds = ends.filter(({ code }) => code !== 0).map(({ code, signal }) => `I13 end: with ${code ?? signal}`);
  const truth = await stage.truth();
  if (process.env.STOA_HISTORY) writeFileSync(process.env.STOA_HISTORY, history.map((event) => JSON.stringify(event)).join("\n")); // to look into
  return { violations: [...check(history, truth, options), ...leaks, ...crashes, ...wrongEnds, ...(await stage.damage())], history, truth };
}

/** Asserts that no promise is broken. */
export async function settle(stage, load, options) {
  const { violations, history, truth } = await verdict(stage, load, options);
  assert.deepEqual(violations.slice(0, 5), []);
  for (const node of stage.nodes) assert.deepEqual(report(node), []);
  assert.ok(truth.length > 50, `only ${truth.length} events`);
  return { history, truth };
}

/** Runs a trouble (troubles/) from start to verdict: {name, stage: options of the stage, lossy, act(stage, load), after({history, truth},
 * stage)}. t: the test, which is skipped if the machine lacks what the stage needs. */
export async function face({ stage: options = {}, lossy, act, after }, t, load = {}) {
  try {
    await scene({ ...options, load: { ...options.load, ...load } }, async (stage, talk) => {
      await act(stage, talk);
      const end = await settle(stage, talk, { lossy });
      await after?.(end, stage);
    });
  } catch (error) {
    if (!error.isLack) throw error;
    t.skip(error.message);
  }
}

export const busWorks = (fleet) => until("the bus works on all nodes", async () => (await Promise.all(fleet.nodes.map(health))).every(({ checks }) => checks?.bus === "ok"), 30_000);

/** Within ms, all connected clients are told a status of these clients for which `holds` is true. */
async function seen(load, ms, clients, holds) {
  const userIds = clients.map(({ name }) => name);
  await until("all see how everybody is", async () => {
    await sleep(100); // between two looks
    const answers = await Promise.all(load.present.map((client) => client.ask("presence:get", { userIds })));
    return answers.every((ack) => ack?.ok && !ack.stale && ack.users.every(({ status }) => holds(status)));
  }, ms);
}

/** Within ms, all clients see everybody who has not left as online. */
export const allOnline = (load, ms) => seen(load, ms, load.present, (status) => status === "online");

/** Within ms, no client sees those who left as online. */
export const nobodyElse = (load, ms) => seen(load, ms, [...load.gone], (status) => status === "offline" || status === "unknown");

/** No client that has not left was reported as offline. */
export function onlyWhoLeftIsSaidOffline(load) {
  const there = new Set(load.present.map(({ name }) => name));
  assert.deepEqual(saidOffline(load.history).filter(({ user }) => there.has(user)), []);
}

export const percentile = (numbers, share) => numbers.sort((a, b) => a - b)[Math.floor((numbers.length - 1) * share)];

/** Suspends the standbys for a while, then kills the primary and promotes one of them. */
export async function losePrimary({ postgres }, load) {
  await load.progress(80);
  await nemesis(load, 5000, async () => {
    await postgres.act("sender-stop", "shard0");
    await sleep(300); // the standbys miss these events
    await postgres.act("kill", "shard0");
    await postgres.promote();
  });
  await load.progress(80);
}

/** Waits until all workers know the shard's epoch of that number. */
export async function allMeet(nodes, number) {
  const met = ({ lines }) => lines.filter((line) => line.includes("store.epoch ") && line.includes(`epoch=${number}-`)).length;
  await until("all workers have met the new epoch", () => nodes.every((node) => met(node) >= node.workers().length));
}

/** Kills the primary, promotes a standby, and starts the old one again. Node 0 is connected to the old one during `meanwhile`. */
export async function returnOldPrimary({ postgres, proxies, nodes }, load, meanwhile) {
  const lead = (name) => { proxies.postgres.target = postgres.ports[name]; proxies.postgres.cut(); };
  await nemesis(load, 5000, async () => {
    await postgres.act("kill", "shard0");
    await postgres.promote();
    lead(postgres.primary);
  });
  await until("node 0 is on the new primary", async () => (await health(nodes[0])).checks?.store === "ok");
  await allMeet(nodes, 2);
  await load.progress(60);
  await nemesis(load, 6000, async () => {
    await postgres.act("start", "shard0");
    lead("shard0");
    await meanwhile();
    lead(postgres.primary);
  });
}
