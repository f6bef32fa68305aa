// SPDX-License-Identifier: Apache-2.0
// Attacks by mallory on the real server over an open connection. Each time, only that connection is affected, the server
// counts each try, and bob, who watches, is not disturbed. docs/security.md says which test covers which attack.
import assert from "node:assert/strict";
import { test } from "node:test";
import { file, startServer, until } from "./harness.mjs";
import { person } from "./people.mjs";
import { Engine } from "./raw.mjs";

const server = await startServer(file, {
  set: { "limits.user_messages": false, "limits.channel_messages": false, "limits.connects": false, "limits.connections_per_user": false },
});
const engine = new Engine(server, "/socket.io/");
const bob = await person(file, server, "bob");
await bob.join("lobby");

// The number of the server's refusals so far.
async function counted() {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return [...text.matchAll(/^stoa_rejected_total\{reason="[^"]*"\} (\d+)$/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
}

async function isWell() {
  const asked_ms = Date.now();
  assert.equal((await bob.send("lobby", "all is well")).ok, true);
  assert.ok(Date.now() - asked_ms < 2000, "bob is not kept waiting");
  assert.equal(bob.socket.recovered, false, "bob was never away");
}

function attack(name, run, { counts = 1 } = {}) {
  test(name, async (t) => {
    const before = await counted();
    await run(t);
    await until("the count of it", async () => (await counted()) >= before + counts);
    await isWell();
    assert.equal(await counted(), before + counts);
  });
}

async function mallory(owner, auth = '{"user":"mallory"}') {
  const wire = (await engine.session(owner)).send(`40${auth}`);
  assert.match(await wire.next(), /^40/);
  return wire;
}

// The acknowledgement of one event.
async function ask(wire, json, id = 1) {
  wire.send(`42${id}${json}`);
  for (;;) {
    const frame = await wire.nextButPing();
    if (frame.startsWith(`43${id}[`)) return JSON.parse(frame.slice(2 + String(id).length))[0];
  }
}

for (const [name, ...frames] of [
  ["events that are none", "42"],
  ["events without a name", "42[]"],
  ["events that are objects", "42{}"],
  ["an event named null", "42[null]"],
  ["an event named by an object", '42[{"toString":1}]'],
  ["events named as the client's own: connect", '42["connect"]'],
  ["events named as the client's own: disconnect", '42["disconnect"]'],
  ["events named as the client's own: removeListener", '42["removeListener"]'],
  ["events named as the client's own: connect_error", '42["connect_error"]'],
  ["events named as the client's own: disconnecting", '42["disconnecting"]'],
  ["events named as the client's own: newListener", '42["newListener"]'],
  ["packets that only servers send: ping", "2"],
  ["packets that only servers send: CONNECT_ERROR", '44{"message":"x"}'],
  ["text where an attachment was announced", '451-["a",{"_placeholder":true,"num":0}]', '42["channel:list"]'],
  ["an attachment that nobody announced", Buffer.from("x")],
  ["an announcement of no attachments", "451-"],
  ["an announcement of attachments without a place", '451-["a"]'],
  ["an announcement of eleven attachments", `4511-["a",${Array.from({ length: 11 }, (_, num) => `{"_placeholder":true,"num":${num}}`)}]`],
  ["attachments without number", '4599999-["a"]'],
  ["a placeholder below zero", '451-["a",{"_placeholder":true,"num":-1}]', Buffer.from("x")],
  ["a placeholder of the eighth attachment of one", '451-["a",{"_placeholder":true,"num":7}]', Buffer.from("x")],
  ["a placeholder beyond all", '451-["a",{"_placeholder":true,"num":1000000000}]', Buffer.from("x")],
  ["one placeholder twice, deep", '451-["a",[[{"_placeholder":true,"num":0}]],{"b":{"_placeholder":true,"num":0}}]'],
  ["one placeholder twice", '451-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]', Buffer.from("x"), Buffer.from("y")],
  ["an acknowledgement with a number beyond 64 bits", '4399999999999999999999["forged"]'],
  ["an acknowledgement with a number below zero", '43-1["forged"]'],
  ["an event with a number beyond 64 bits", '4299999999999999999999["channel:list"]'],
  ["a second CONNECT", '40{"user":"root"}'],
  ["an event after DISCONNECT", "41", '42["message:send"]'],
  ["100,000 keys", `42["channel:list",{${Array.from({ length: 100_000 }, (_, i) => `"k${i}":0`)}}]`],
  ["100,000 brackets", `42["channel:list",${"[".repeat(100_000)}`],
  ["JSON that ends within a text", '42["channel:list","\\ud800'],
]) {
  attack(`${name} end the connection`, async (t) => {
    await (await mallory(t)).send(...frames).end();
  });
}

attack("an event before CONNECT ends the connection", async (t) => {
  const wire = await engine.session(t);
  await wire.send('42["channel:list"]').end();
});

attack("an acknowledgement that nobody asked for is ignored", async (t) => {
  const wire = (await mallory(t)).send('434711["forged"]');
  assert.equal((await ask(wire, '["channel:list"]')).ok, true);
});

attack("an event named by a number has no handler", async (t) => {
  assert.equal((await ask(await mallory(t), "[1]")).error.code, "unknown_event");
});

attack("closing twice is closing once, and no fault", async (t) => {
  await (await mallory(t)).send("1", "1").end();
}, { counts: 0 });

attack("packets that only servers send are passed over", async (t) => {
  const wire = (await mallory(t)).send("0{}", "5", "6");
  assert.equal((await ask(wire, '["channel:list"]')).ok, true);
}, { counts: 3 });

attack("a flood of unasked pongs and empty packets pauses reading for a second", async (t) => {
  const wire = await mallory(t);
  const begun_ms = Date.now();
  for (let i = 0; i < 8; i++) wire.send("3", "6");
  assert.equal((await ask(wire, '["channel:list"]')).ok, true);
  assert.ok(Date.now() - begun_ms > 900);
}, { counts: 16 });

attack("a probe that is none is closed, and polling goes on", async (t) => {
  const { sid } = await engine.handshake();
  const probe = engine.websocket(t, { sid });
  await probe.opened();
  await probe.send("2prob").end();
  assert.equal((await engine.push(sid, "1")).status, 200);
});

attack("a body of 2 MB is refused with 413", async () => {
  const { sid } = await engine.handshake();
  assert.equal((await engine.push(sid, "4".repeat(2_000_000))).status, 413);
});

attack("a payload of 100,000 empty packets is refused at once", async () => {
  const { sid } = await engine.handshake();
  const begun_ms = Date.now();
  assert.equal((await engine.push(sid, "\x1e".repeat(100_000))).status, 400);
  assert.ok(Date.now() - begun_ms < 1000);
});

attack("another session's id gives no way into it", async (t) => {
  const victim = engine.websocket(t);
  const { sid } = JSON.parse((await victim.next()).slice(1));
  assert.equal((await engine.poll(sid)).status, 400);
  assert.equal((await engine.push(sid, "1")).status, 400);
  assert.equal(victim.closed, null);
}, { counts: 2 });

attack("1,000 namespaces are refused, and those beyond the limit end nothing else", async (t) => {
  const wire = await mallory(t);
  for (let i = 0; i < 1000 && !wire.closed; i++) wire.send(`40/n${i},`);
  await until("answers", () => wire.frames.filter((frame) => frame.startsWith("44/n")).length === 1000);
  assert.ok(!wire.frames.some((frame) => /^40\/n/.test(frame)));
  assert.equal((await ask(wire, '["channel:list"]')).ok, true);
}, { counts: 1000 });

attack("a namespace that points upwards is refused", async (t) => {
  const wire = (await mallory(t)).send("40/../admin,");
  assert.equal(await wire.nextButPing(), '44/../admin,{"message":"Invalid namespace"}');
});

attack("a namespace with a name of 500 KB ends the connection", async (t) => {
  await (await mallory(t)).send(`40/${"x".repeat(500_000)},`).end();
});

attack("of a key that is there twice the last one counts", async (t) => {
  const wire = await mallory(t, '{"user":"bob","user":"mallory"}');
  assert.equal((await ask(wire, '["channel:join",{"channelId":"a}{b","channelId":"twice"}]')).ok, true);
  await ask(wire, '["message:send",{"channelId":"a}{b","channelId":"twice","clientId":"d1","content":"x"}]');
  const { messages: [message] } = await ask(wire, '["history:get",{"channelId":"twice"}]');
  assert.equal(message.userId, "mallory");
}, { counts: 0 });

attack("a malformed event is answered with an error and not stored", async (t) => {
  const wire = await mallory(t);
  assert.equal((await ask(wire, '["channel:join",{"channelId":"attic"}]')).ok, true);
  for (const [code, event, argument] of [
    ["bad_channel", "channel:join", '{"channelId":"a}{b"}'],
    ["bad_channel", "channel:join", '{"channelId":"*"}'],
    ["bad_channel", "channel:join", '{"channelId":"a\\nb"}'],
    ["bad_channel", "channel:join", `{"channelId":"${"x".repeat(100_000)}"}`],
    ["bad_request", "channel:join", '{"channelId":{"toString":"x"}}'],
    ["bad_request", "message:send", '{"channelId":"attic","clientId":"a b","content":"x"}'],
    ["bad_request", "message:send", '{"channelId":"attic","clientId":7,"content":"x"}'],
    ["bad_request", "read:mark", '{"channelId":"attic","seq":-1}'],
    ["bad_request", "read:mark", '{"channelId":"attic","seq":1.5}'],
    ["bad_request", "read:mark", '{"channelId":"attic","seq":1e999}'],
    ["bad_request", "read:mark", `{"channelId":"attic","seq":${"9".repeat(400)}}`],
    ["bad_request", "read:mark", '{"channelId":"attic","seq":9007199254740993000}'],
    ["bad_cursor", "channel:join", '{"channelId":"attic","since":{"seq":-1,"epoch":"0-0"}}'],
    ["bad_cursor", "channel:join", '{"channelId":"attic","since":{"seq":9223372036854775808,"epoch":"0-0"}}'],
    ["bad_request", "history:get", '{"channelId":"attic","limit":"all"}'],
  ]) {
    const answer = await ask(wire, `["${event}",${argument}]`);
    assert.deepEqual([answer.ok, answer.error?.code], [false, code], `${event} ${argument.slice(0, 80)}`);
  }
  const { messages } = await ask(wire, '["history:get",{"channelId":"attic","limit":1000000000}]');
  assert.deepEqual(messages, []);
}, { counts: 15 });

test("forged author, number and time of a message are ignored", async (t) => {
  const wire = await mallory(t);
  await ask(wire, '["channel:join",{"channelId":"forgery"}]');
  const forged = '"userId":"bob","seq":1000,"epoch":"9-9","id":"mine","createdAt":"1970-01-01T00:00:00.000Z"';
  assert.equal((await ask(wire, `["message:send",{"channelId":"forgery","clientId":"f1","content":"x",${forged}}]`)).seq, 1);
  const { messages: [message] } = await ask(wire, '["history:get",{"channelId":"forgery"}]');
  assert.deepEqual([message.userId, message.messageSeq], ["mallory", 1]);
  assert.notEqual(message.id, "mine");
  assert.ok(Date.now() - Date.parse(message.createdAt) < 60_000);
});

for (const [name, content] of Object.entries({
  "SQL": "'); DROP TABLE messages; --",
  "marks and directions": `a${"\u0301".repeat(1000)}\u202e`,
  "markup": "<script>alert(1)</script>",
  "line ends and escapes": "\n2026-01-01T00:00:00.000Z error admin.login ok\u001b[31m",
})) {
  test(`a message of ${name} comes back unchanged, and is not logged`, async (t) => {
    const channelId = `text-${name.split(" ")[0]}`;
    const wire = await mallory(t);
    await ask(wire, `["channel:join",{"channelId":"${channelId}"}]`);
    const { ok } = await ask(wire, `["message:send",${JSON.stringify({ channelId, clientId: "t1", content })}]`);
    assert.equal(ok, true);
    const { messages } = await ask(wire, `["history:get",{"channelId":"${channelId}"}]`);
    assert.deepEqual(messages.map((message) => message.content), [content]);
    assert.ok(!server.lines.some((line) => line.includes("admin.login") || line.includes("DROP TABLE")));
  });
}

attack("a message with a NUL is refused, for not every store takes it", async (t) => {
  const wire = await mallory(t);
  await ask(wire, '["channel:join",{"channelId":"text-NUL"}]');
  const { error } = await ask(wire, '["message:send",{"channelId":"text-NUL","clientId":"t1","content":"a\\u0000b"}]');
  assert.equal(error.code, "bad_request");
});

attack("a name with line ends and escapes cannot write lines into the log", async (t) => {
  const wire = (await engine.session(t)).send(`40${JSON.stringify({ user: "eve\n2026-01-01T00:00:00.000Z error forged.line" })}`);
  assert.match(await wire.next(), /^44/);
  assert.ok(!server.lines.some((line) => line.startsWith("2026-01-01T00:00:00.000Z error forged.line")));
});
