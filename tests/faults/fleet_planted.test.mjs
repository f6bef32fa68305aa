// Faults planted in the server must turn the checker red when a fleet is in trouble, each under its name; without them the
// same troubles are green (troubles/). (Builds with STOA_FAULTS only.)

import assert from "node:assert/strict";
import test from "node:test";
import { sleep } from "./server.mjs";
import { losePrimary, returnOldPrimary, scene, settle, verdict } from "./stage.mjs";

const TIME = { timeout: 180_000 };

/** The trouble under the planted fault: the checker names one of the invariants. */
function turnsRed(invariants, fault, options, trouble, checking) {
  return scene({ ...options, env: { STOA_FAULT: fault } }, async (fleet, load) => {
    await trouble(fleet, load);
    const { violations } = await verdict(fleet, load, checking);
    const found = [...new Set(violations.map((line) => line.split(" ")[0]))];
    assert.ok(found.some((name) => invariants.includes(name)), `the checker found ${found.join(", ") || "nothing"}, not ${invariants.join(" or ")}`);
  });
}

/** The subscribers' connections end again and again: most events between the workers are lost; the last ones with nothing after them. */
async function loseEvents({ redis }, load) {
  await load.progress(20);
  await redis.cli(redis.ports[0], "-r", "80", "-i", "0.1", "client", "kill", "type", "pubsub");
  await load.progress(10);
}

test("not reading what is missing turns I5 red", TIME, () => turnsRed(["I5"], "no_gap_fill", {}, loseEvents));
const SPARSE = { load: { channels: 8, rate: 4, reconnects: 0 } }; // hardly ever a next one that shows that one is missing
test("not comparing heads turns I10 red", TIME, () => turnsRed(["I10"], "no_head_check", SPARSE, loseEvents));
test("losing events between the workers alone breaks no promise", TIME, () =>
  scene(SPARSE, async (fleet, load) => {
    await loseEvents(fleet, load);
    await load.progress(20);
    await settle(fleet, load);
  }));
test("no deduplication turns I3 red", TIME, () => turnsRed(["I3"], "dedupe_off", {}, (_fleet, load) => load.progress(150)));
test("no grace for who comes back turns I11 red", TIME, () => turnsRed(["I11"], "no_grace", { load: { reconnects: 0.1 } }, (_fleet, load) => load.progress(300)));
test("cursors without their epoch turn I1 red when a promotion loses events", TIME, () =>
  turnsRed(["I1"], "cursor_without_epoch", { replicas: 2, load: { rate: 150, reconnects: 0.05, followsEpochs: true } }, losePrimary, { lossy: true }));
test("acknowledging what no standby has turns I1 red when one is promoted", TIME, () =>
  turnsRed(["I1"], "sync_off", { replicas: 2, quorum: true, commit: "local", load: { rate: 150 } }, losePrimary));
test("believing an old primary that comes back turns I1 red", TIME, () =>
  turnsRed(["I1"], "no_epoch_floor", { replicas: 2, proxied: ["postgres"], load: { followsEpochs: true } },
    (fleet, load) => returnOldPrimary(fleet, load, () => sleep(4000)), { lossy: true }));
