// SPDX-License-Identifier: Apache-2.0
// The same bytes to Stoa and to the Node.js server: the same answers, or a difference that docs/wire.md names.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { assertDocumented } from "../documented.mjs";
import { file, root, startServer } from "./harness.mjs";
import * as engine from "./reference_engine.mjs";
import * as socketio from "./reference_socketio.mjs";
import { Visit } from "./visit.mjs";

const LIMITS = { pingInterval: 60_000, pingTimeout: 60_000, upgradeTimeout: 60_000, maxHttpBufferSize: 10_000 };

// In a thread of its own, which ends with all its timers.
async function startReference(owner) {
  const thread = new Worker(new URL("reference_server.mjs", import.meta.url), { workerData: LIMITS });
  owner.after(() => thread.terminate());
  const [port] = await once(thread, "message");
  return port;
}

const stoa = await startServer(file, {
  config: "tests/conformance/stoa.lua",
  set: {
    scripts: [`${root}tests/scenes/reference.lua`],
    ping_interval_ms: LIMITS.pingInterval,
    ping_timeout_ms: LIMITS.pingTimeout,
    upgrade_timeout_ms: LIMITS.upgradeTimeout,
    max_payload_bytes: LIMITS.maxHttpBufferSize,
  },
});
const reference = await startReference(file);

async function heard(t, port, path, { does }) {
  const visit = new Visit(t, port, path);
  await does(visit);
  return visit.seen;
}

function compare(path, { cases, differences }) {
  for (const one of cases) {
    test(`${path}: ${one.name}`, async (t) => {
      const [theirs, ours] = await Promise.all([reference, stoa.port].map((port) => heard(t, port, path, one)));
      const differ = (_, i) => ours[i] !== theirs[i];
      const [, ...expected] = differences[one.name] ?? ["none", [], []];
      assert.equal(ours.length, theirs.length);
      assert.deepEqual([theirs.filter(differ), ours.filter(differ)], expected);
    });
  }
}

function checkPage(heading, { cases, differences }) {
  test(`docs/wire.md names what is left of "${heading}", and nothing else`, () => {
    assert.deepEqual(Object.keys(differences).filter((name) => !cases.some((one) => one.name === name)), []);
    assertDocumented(heading, Object.values(differences).map(([name]) => name));
  });
}

compare("/engine.io/", engine);
compare("/socket.io/", socketio);
checkPage("Engine.IO: sessions and upgrades", engine);
checkPage("Socket.IO: sessions", socketio);
