// SPDX-License-Identifier: Apache-2.0
// nightly.mjs run FILE SECONDS [SEED]: runs random faults for SECONDS and prints what the checker found. FILE keeps the progress, so
//   that an interrupted call resumes; FILE.last has the results of the last complete call.
// nightly.mjs once SEED: repeats one run. Its seed decides the faults, their moments and the load.

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { disturbances } from "./disturbances.mjs";
import { randomFrom } from "./load.mjs";
import { nemesis, scene, verdict } from "./stage.mjs";

const SUBJECTS = ["nodes", "redis", "postgres", "primaries", "backups", "stalls", "people", "damage"];
const BOUND_MS = 15_000; // two faults at once, after which a Redis or a PostgreSQL may still be starting
const ONE_MS = 180_000;

const troubles = (await Promise.all(SUBJECTS.map((subject) => import(`./troubles/${subject}.mjs`)))).flatMap((module) => module.default);

const one = (random, list) => list[Math.floor(random() * list.length)];

/** A trouble with another load and other moments. */
function aTrouble(random) {
  const trouble = one(random, troubles);
  return { name: trouble.name, stage: trouble.stage ?? {}, lossy: trouble.lossy, perTime: 1, act: trouble.act, after: trouble.after };
}

/** Two disturbances at a time, several times. */
function aMixture(random) {
  const alone = random() < 0.4, groups = disturbances[alone ? "alone" : "fleet"];
  const rounds = Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
    const first = one(random, groups), others = groups.filter((group) => group !== first);
    return [first, one(random, others)].map((group) => one(random, Object.entries(group)));
  });
  return {
    name: rounds.map((pair) => pair.map(([name]) => name).join(" + ")).join("; "),
    stage: {
      alone, workers: 1 + Math.floor(random() * 3), proxied: ["redis", "postgres"], ...(alone ? {} : { set: { "presence.grace_ms": 1000 } }),
      load: { clients: 4 + Math.floor(random() * 8), rate: 30 + random() * 120, reconnects: one(random, [0, 0.01, 0.1]), ackMs: 7000, silentMs: 20_000 },
    },
    perTime: 2,
    act: async (stage, load) => {
      for (const pair of rounds) {
        await load.progress(30, 30_000);
        await nemesis(load, BOUND_MS, () => Promise.all(pair.map(([, disturb]) => disturb(stage, load))));
      }
      await load.progress(50, 30_000);
    },
  };
}

const overdue = () => new Promise((_, reject) => setTimeout(() => reject(new Error("never happened: its end")), ONE_MS).unref());

/** One run: {name, faults, sends, acknowledged, received, resets, violations}. */
async function face(seed) {
  const random = randomFrom(seed);
  const chosen = random() < 0.5 ? aTrouble(random) : aMixture(random);
  const result = { seed, name: chosen.name, faults: 0, sends: 0, acknowledged: 0, received: 0, resets: 0, violations: [] };
  const play = scene({ ...chosen.stage, load: { ...chosen.stage.load, seed } }, async (stage, load) => {
    const count = (type) => load.history.filter((event) => event.type === type).length;
    try {
      await chosen.act(stage, load);
      const end = await verdict(stage, load, { lossy: chosen.lossy });
      result.violations.push(...end.violations);
      await chosen.after?.(end, stage);
    } finally {
      const times = load.history.filter(({ type, phase }) => type === "nemesis" && phase === "start").length;
      Object.assign(result, { faults: Math.max(1, times) * chosen.perTime, sends: count("invoke"), acknowledged: count("ok"), received: count("recv"), resets: count("reset") });
    }
  });
  try {
    await Promise.race([play, overdue()]);
  } catch (error) {
    if (error.isLack) result.isSkipped = true;
    else result.violations.push(`${error.message}`);
  }
  return result;
}

function tell({ seed, name, sends, received, violations, isSkipped }) {
  console.log(`${isSkipped ? "skipped" : violations.length ? "FAILED" : "ok"} seed ${seed}: ${name} (${sends} sends, ${received} received)`);
  for (const line of violations.slice(0, 3)) console.log(`    ${line.split("\n").slice(0, 60).join("\n    ")}`);
}

const SUMS = ["faults", "sends", "acknowledged", "received", "resets"];

async function run(file, seconds, seed) {
  const state = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { seed: Number(seed ?? Math.floor(Math.random() * 2 ** 31)), spentMs: 0, results: [] };
  console.log(`${state.results.length ? "goes on" : "begins"} with seed ${state.seed}; ${Math.round(seconds - state.spentMs / 1000)} s to go`);
  while (state.spentMs < seconds * 1000) {
    const from = performance.now(), result = await face(state.seed + state.results.length);
    tell(result);
    state.results.push(result);
    state.spentMs += performance.now() - from;
    writeFileSync(file, JSON.stringify(state));
  }
  const sum = (name) => state.results.reduce((total, result) => total + result[name], 0);
  const failed = state.results.filter(({ violations }) => violations.length), skipped = state.results.filter(({ isSkipped }) => isSkipped);
  console.log(`${state.results.length} runs from seed ${state.seed}: ${SUMS.map((name) => `${sum(name)} ${name}`).join(", ")}, ${failed.flatMap(({ violations }) => violations).length} violations`);
  for (const result of failed) tell(result);
  console.log(`${state.results.length - failed.length - skipped.length} passed, ${failed.length} failed, ${skipped.length} skipped`);
  renameSync(file, `${file}.last`);
  process.exit(failed.length ? 1 : 0);
}

const [mode, ...words] = process.argv.slice(2);
if (mode === "once") {
  const result = await face(Number(words[0]));
  tell(result);
  process.exit(result.violations.length ? 1 : 0);
}
await run(...words);
