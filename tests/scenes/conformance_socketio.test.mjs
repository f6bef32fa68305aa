// SPDX-License-Identifier: Apache-2.0
// Socket.IO v5: every case of the official suite, in our own words, and what it leaves out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { engineCases } from "./engine_cases.mjs";
import { file, startServer } from "./harness.mjs";
import { Engine } from "./raw.mjs";

const PATH = "/socket.io/";
const server = await startServer(file, { config: "tests/conformance/stoa.lua" });
const engine = new Engine(server, PATH);

engineCases(engine);

// A WebSocket that has joined the main namespace.
async function joined(owner) {
  const wire = (await engine.session(owner)).send("40");
  await wire.nextButPing();
  await wire.nextButPing();
  return wire;
}

for (const [what, connect, answer, event] of [
  ["the main namespace", "40", "40", '42["auth",{}]'],
  ["the main namespace with a payload", '40{"token":"123"}', "40", '42["auth",{"token":"123"}]'],
  ["a custom namespace", "40/custom,", "40/custom,", '42/custom,["auth",{}]'],
  ["a custom namespace without the comma", "40/custom", "40/custom,", '42/custom,["auth",{}]'],
  ["a custom namespace with a payload", '40/custom,{"token":"abc"}', "40/custom,", '42/custom,["auth",{"token":"abc"}]'],
]) {
  test(`a client joins ${what}, and its payload arrives`, async (t) => {
    const wire = (await engine.session(t)).send(connect);
    const frame = await wire.nextButPing();
    assert.ok(frame.startsWith(`${answer}{`), frame);
    const handshake = JSON.parse(frame.slice(answer.length));
    assert.deepEqual(Object.keys(handshake), ["sid"]);
    assert.match(handshake.sid, /^[\w-]{20}$/);
    assert.equal(await wire.nextButPing(), event);
  });
}

test("an unknown namespace is refused and the connection stays", async (t) => {
  const wire = (await engine.session(t)).send("40/random");
  assert.equal(await wire.nextButPing(), '44/random,{"message":"Invalid namespace"}');
  wire.send("40");
  assert.match(await wire.nextButPing(), /^40\{/);
});

test("a client that joins nothing in time is closed", async (t) => {
  const wire = await engine.session(t);
  const pongs = setInterval(() => wire.send("3"), 100); // answers pings, but joins no namespace
  t.after(() => clearInterval(pongs));
  await wire.end();
});

for (const [what, frame] of Object.entries({ "a CONNECT that is none": "4abc", "an event before CONNECT": '42["message"]' })) {
  test(`${what} closes the connection`, async (t) => {
    await (await engine.session(t)).send(frame).end();
  });
}

test("after leaving the main namespace the connection stays and is pinged", async (t) => {
  const wire = (await joined(t)).send("41");
  assert.equal(await wire.next(), "2");
});

test("after leaving a custom namespace the main one still works", async (t) => {
  const wire = (await joined(t)).send("40/custom");
  await wire.nextButPing();
  await wire.nextButPing();
  wire.send("41/custom", '42["message","message to main namespace"]');
  assert.equal(await wire.nextButPing(), '42["message-back","message to main namespace"]');
});

for (const [what, sent, answered] of [
  ["an event", '42["message",1,"2",{"3":[true]}]', '42["message-back",1,"2",{"3":[true]}]'],
  ["an event with empty arrays and objects", '42["message",[],{},[[]],{"a":[]},null]', '42["message-back",[],{},[[]],{"a":[]},null]'],
  ["an event with text beyond ASCII", '42["message","grüße 👋"]', '42["message-back","grüße 👋"]'],
  ["an acknowledged event", '42456["message-with-ack",1,"2",{"3":[false]}]', '43456[1,"2",{"3":[false]}]'],
  ["an event acknowledged as number 0", '420["message-with-ack"]', "430[]"],
]) {
  test(`${what} is answered with its arguments unchanged`, async (t) => {
    const wire = (await joined(t)).send(sent);
    assert.equal(await wire.nextButPing(), answered);
  });
}

for (const [what, sent, answered] of [
  ["an event", "452-[\"message\"", "452-[\"message-back\""],
  ["an acknowledged event", '452-789["message-with-ack"', "462-789["],
]) {
  test(`${what} with binaries is answered with them in order`, async (t) => {
    const places = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]';
    const binaries = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];
    const wire = (await joined(t)).send(`${sent},${places}`, ...binaries);
    assert.equal(await wire.nextButPing(), `${answered}${answered.endsWith("[") ? "" : ","}${places}`);
    assert.deepEqual([await wire.nextButPing(), await wire.nextButPing()], binaries);
  });
}

for (const [what, ...frames] of [
  ["an unknown packet type", "4abc"],
  ["an event that is no array", "42{}"],
  ["an event without a name", "42[]"],
  ["a reserved event name", '42["disconnect"]'],
  ["an ack id that is no number", '42abc["message-with-ack",1,"2",{"3":[false]}]'],
  ["a second CONNECT to a namespace", "40"],
  ["an event to a namespace that was not joined", '42/custom,["message"]'],
  ["binary that nobody announced", Buffer.from([1])],
  ["text where a binary was announced", '451-["message",{"_placeholder":true,"num":0}]', '42["message"]'],
  ["a placeholder for a binary that does not exist", '451-["message",{"_placeholder":true,"num":7}]', Buffer.from([1])],
  ["more binaries than allowed", '4511-["message"]'],
]) {
  test(`${what} closes the connection`, async (t) => {
    await (await joined(t)).send(...frames).end();
  });
}
