// SPDX-License-Identifier: Apache-2.0
// What scripts can do with the official client, beyond the chat.
import assert from "node:assert/strict";
import { test } from "node:test";
import { file, startServer, until } from "./harness.mjs";
import { person, Person } from "./people.mjs";

const server = await startServer(file, { set: { scripts: ["../tests/scenes/stage.lua"] }, expects: /script\.error .*on purpose/ });

for (const transports of [["polling"], ["websocket"]]) {
  test(`over ${transports} values come back unchanged`, async (t) => {
    const alice = await person(t, server, "alice", { transports });
    const values = [[], {}, null, 0, -1.5, 2 ** 53, true, "", "grüße 👋\u0000", [[], [{}]], { a: [null], "": { b: 1 } }];
    for (const value of values) {
      assert.deepEqual(await alice.ask("echo", value), value);
    }
  });

  test(`over ${transports} binaries come back unchanged, nested ones too`, async (t) => {
    const alice = await person(t, server, "alice", { transports });
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    assert.deepEqual(Buffer.from(await alice.ask("echo", bytes)), bytes);
    const nested = await alice.ask("echo", { list: [bytes, "text", { deep: Buffer.from("x") }] });
    assert.deepEqual(Buffer.from(nested.list[0]), bytes);
    assert.deepEqual(Buffer.from(nested.list[2].deep), Buffer.from("x"));
  });

  test(`over ${transports} messages near the limit pass`, async (t) => {
    const alice = await person(t, server, "alice", { transports });
    const text = "x".repeat(900_000);
    assert.equal(await alice.ask("echo", text), text);
    const bytes = Buffer.alloc(700_000, 7);
    assert.deepEqual(Buffer.from(await alice.ask("echo", bytes)), bytes);
  });
}

test("the server asks a client and hears its acknowledgement", async (t) => {
  const alice = await person(t, server, "alice");
  alice.socket.on("question", (question, acknowledge) => acknowledge(`you asked: ${question}`));
  assert.deepEqual(await alice.ask("ask me", "who?"), { answer: "you asked: who?" });
});

test("a missing acknowledgement becomes a timeout", async (t) => {
  const alice = await person(t, server, "alice");
  assert.deepEqual(await alice.ask("ask me in vain"), { word: "timeout" });
});

test("namespaces share a connection and keep their events apart", async (t) => {
  const alice = await person(t, server, "alice", { query: {} });
  const news = alice.socket.io.socket("/news", { auth: { key: "open sesame" } });
  t.after(() => news.disconnect());
  const heard = [];
  news.onAny((...event) => heard.push(event));
  await until("/news joined", () => news.connected && heard.length > 0);
  assert.deepEqual(heard, [["welcome", "to the news"]]);
  assert.equal(await news.emitWithAck("where"), "/news");
  assert.equal(await alice.ask("where"), "/");
  assert.deepEqual(alice.all("welcome"), []);
  news.disconnect();
  assert.equal(await alice.ask("where"), "/");
});

test("a connect hook refuses with a message and data", async (t) => {
  const alice = new Person(t, server, "alice", { namespace: "/news", auth: { key: "sesame" } });
  const refusal = await alice.refused();
  assert.equal(refusal.message, "wrong key");
  assert.deepEqual(refusal.data, { hint: "ask Ali Baba" });
});

test("an event without a handler is answered unknown_event, a handler that fails script_error", async (t) => {
  const alice = await person(t, server, "alice");
  for (const [event, code] of [["nothing of the kind", "unknown_event"], ["fail", "script_error"]]) {
    const answer = await alice.ask(event);
    assert.deepEqual([answer.ok, answer.error.code], [false, code]);
  }
  assert.ok(!JSON.stringify(alice.heard).includes("stage.lua"), "a client does not see the script's insides");
});

test("an event to a room reaches its members only", async (t) => {
  const [alice, bob, carol] = await Promise.all(["alice", "bob", "carol"].map((name) => person(t, server, name)));
  await alice.ask("enter", "room");
  await bob.ask("enter", "room");
  await carol.ask("say", "room", "hello", 1);
  await alice.ask("say to others", "room", "from alice");
  assert.equal(await bob.next("said", (text) => text === "from alice"), "from alice");
  await alice.ask("where"); // earlier events to alice have arrived
  assert.deepEqual([alice.all("said"), bob.all("said"), carol.all("said")], [["hello"], ["hello", "from alice"], []]);
});

test("a volatile event reaches connected clients", async (t) => {
  const alice = await person(t, server, "alice");
  await alice.ask("enter", "quiet");
  await alice.ask("whisper", "quiet", "psst");
  assert.equal(await alice.next("whispered"), "psst");
});

test("a large event is compressed for clients that offer it", async (t) => {
  const compressing = await person(t, server, "alice", { transports: ["websocket"], perMessageDeflate: { threshold: 0 } });
  const plain = await person(t, server, "bob", { transports: ["websocket"], perMessageDeflate: false });
  const received = (who) => who.socket.io.engine.transport.ws._socket.bytesRead;
  const text = "all work and no play makes jack a dull boy. ".repeat(5000);
  for (const who of [compressing, plain]) await who.ask("enter", "large");
  const before = [received(compressing), received(plain)];
  await plain.ask("say", "large", text);
  assert.equal(await compressing.next("said"), text);
  assert.equal(await plain.next("said"), text);
  assert.ok(received(compressing) - before[0] < text.length / 20, "compressed");
  assert.ok(received(plain) - before[1] >= text.length, "plain");
  assert.equal(await compressing.ask("echo", text), text, "both ways");
});
