// SPDX-License-Identifier: Apache-2.0
// The scenes of socketio.test.mjs with socket.io-client: SCENE URL TRANSPORTS.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { io } = createRequire(new URL("../../scenes/", import.meta.url))("socket.io-client");
const DEADLINE_MS = 20_000;
const [scene, url, transports] = process.argv.slice(2);
const ROOM = `room ${process.pid}`; // other clients run the same scenes at the same time
const BYTES = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

const held = (promise) => console.log("held", promise);
const next = (socket, event) => new Promise((resolve) => socket.once(event, (...heard) => resolve(heard)));
const connect = (auth, options) =>
  io(url, { auth, transports: transports.split(","), reconnectionDelay: 100, reconnectionDelayMax: 500, ...options });

async function talk() {
  const socket = connect({ user: "alice" });
  socket.on("question", (question, answer) => answer({ heard: question, bytes: BYTES.subarray(0, 10) }));
  await next(socket, "connect");
  const { engine } = socket.io, wanted = transports.split(",").at(-1);
  if (engine.transport.name !== wanted) await next(engine, "upgrade");
  assert.equal(engine.transport.name, wanted);
  held("connects");
  const ask = (...event) => new Promise((resolve) => socket.emit(...event, (...answer) => resolve(answer)));
  const letter = ["grüße 👋", 7, 1.5, null, true, { deep: [[], {}] }];
  assert.deepEqual(await ask("echo", ...letter), letter);
  held("acks");
  assert.deepEqual(await ask("ask me", "how are you?"), [{ answer: { heard: "how are you?", bytes: BYTES.subarray(0, 10) } }]);
  held("asked");
  const more = [BYTES, { more: [Buffer.alloc(0), Buffer.from("x")] }];
  assert.deepEqual(await ask("echo", ...more), more);
  held("binary");
  const said = next(socket, "said");
  await ask("enter", ROOM);
  await ask("say", ROOM, "hello", { n: 1 }, BYTES);
  assert.deepEqual(await said, ["hello", { n: 1 }, BYTES]);
  held("hears");
  const news = socket.io.socket("/news", { auth: { user: "alice", key: "open sesame" } });
  assert.deepEqual(await next(news, "welcome"), ["to the news"]);
  assert.deepEqual([await news.emitWithAck("where"), await ask("where")], ["/news", ["/"]]);
  held("namespaces");
  socket.io._close();
}

async function refused() {
  const socket = connect({});
  const [{ message, data }] = await next(socket, "connect_error");
  assert.deepEqual([message, data.code], ["unauthorized", "unauthorized"]);
  const news = socket.io.socket("/news", { auth: { user: "alice", key: "wrong" } });
  const [refusal] = await next(news, "connect_error");
  assert.deepEqual([refusal.message, refusal.data], ["wrong key", { hint: "ask Ali Baba" }]);
  held("refused");
  socket.io._close();
}

async function returns() {
  const socket = connect({ user: "alice" });
  await next(socket, "connect");
  console.log("waiting");
  await next(socket, "connect");
  assert.equal(await socket.emitWithAck("echo", "still here"), "still here");
  held("returns");
  socket.disconnect();
}

async function recovers() {
  const alice = connect({ user: "alice" }, { query: { recovery: 1 }, forceNew: true }), bob = connect({ user: "bob" }, { forceNew: true });
  await Promise.all([next(alice, "connect"), next(bob, "connect")]);
  const { id } = alice;
  await alice.emitWithAck("enter", ROOM);
  alice.io.reconnection(false);
  const gone = next(alice, "disconnect");
  alice.io.engine.close();
  await gone;
  await bob.emitWithAck("say", ROOM, "missed");
  const missed = next(alice, "said");
  alice.connect();
  await next(alice, "connect");
  assert.deepEqual([alice.recovered, alice.id, (await missed)[0]], [true, id, "missed"]);
  held("recovers");
  alice.disconnect();
  bob.disconnect();
}

setTimeout(() => process.exit(2), DEADLINE_MS).unref();
await { talk, refused, returns, recovers }[scene]();
