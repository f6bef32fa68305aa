// What mallory tries on the real server. Each time: he gets no further than his own
// connection, the server counts it, and bob, who watches, is not disturbed.
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

// What the server has counted as not right: refusals, and ends that are nobody's wish.
async function counted() {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return [...text.matchAll(/^stoa_(?:rejected|closed)_total\{reason="(?!transport close)[^"]*"\} (\d+)$/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
}

async function isWell() {
  const asked_ms = Date.now();
  assert.equal((await bob.send("lobby", "all is well")).ok, true);
  assert.ok(Date.now() - asked_ms < 2000, "bob is not kept waiting");
  assert.equal(bob.socket.recovered, false, "bob was never away");
}

function attack(name, run, { counts = true } = {}) {
  test(name, async (t) => {
    const before = await counted();
    await run(t);
    if (counts) await until("the count of it", async () => (await counted()) > before);
    await isWell();
  });
}

async function mallory(owner) {
  const wire = (await engine.session(owner)).send('40{"user":"mallory"}');
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
  ["an event named null", "42[null]"],
  ["an event named by an object", '42[{"toString":1}]'],
  ["events named as the client's own: connect", '42["connect"]'],
  ["events named as the client's own: connect_error", '42["connect_error"]'],
  ["events named as the client's own: disconnecting", '42["disconnecting"]'],
  ["events named as the client's own: newListener", '42["newListener"]'],
  ["packets that only servers send: open", "0{}"],
  ["packets that only servers send: ping", "2"],
  ["an attachment that is announced and not sent", '451-["a",{"_placeholder":true,"num":0}]', "2"],
  ["attachments without number", '4599999-["a"]'],
  ["a placeholder below zero", '451-["a",{"_placeholder":true,"num":-1}]', Buffer.from("x")],
  ["a placeholder beyond all", '451-["a",{"_placeholder":true,"num":1000000000}]', Buffer.from("x")],
  ["one placeholder twice", '451-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]', Buffer.from("x"), Buffer.from("y")],
  ["an event after DISCONNECT", "41", '42["message:send"]'],
  ["100,000 brackets", `42["channel:list",${"[".repeat(100_000)}`],
  ["text that is no UTF-8 in JSON", '42["channel:list","\\ud800"'],
]) {
  attack(`${name} end his connection`, async (t) => {
    await (await mallory(t)).send(...frames).end();
  });
}

for (const [name, id] of [["beyond 64 bits", "99999999999999999999"], ["never asked for", "4711"]]) {
  test(`an acknowledgement with a number ${name} goes no further`, async (t) => {
    const wire = (await mallory(t)).send(`43${id}["forged"]`);
    await until("an end, or an answer", async () => {
      wire.send('427["channel:list"]');
      return wire.closed || wire.frames.some((frame) => frame.startsWith("437["));
    });
    await isWell();
  });
}

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

attack("a session's id of another gives no way into it: it is of another transport", async (t) => {
  const victim = engine.websocket(t);
  const { sid } = JSON.parse((await victim.next()).slice(1));
  assert.equal((await engine.poll(sid)).status, 400);
  assert.equal((await engine.push(sid, "1")).status, 400);
  assert.equal(victim.closed, null);
});

attack("1,000 namespaces are refused, and those beyond the limit end nothing else", async (t) => {
  const wire = await mallory(t);
  for (let i = 0; i < 1000 && !wire.closed; i++) wire.send(`40/n${i},`);
  await until("answers", () => wire.closed || wire.frames.length > 1000);
  assert.ok(!wire.frames.some((frame) => /^40\/n/.test(frame)));
}, { counts: false });

attack("a namespace with a name of 500 KB is refused", async (t) => {
  const wire = (await mallory(t)).send(`40/${"x".repeat(500_000)},`);
  await until("an end, or a refusal", () => wire.closed || wire.frames.some((frame) => frame.startsWith("44/")));
}, { counts: false });

test("what is malformed inside an event is answered, and nothing of it is stored", async (t) => {
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
    ["bad_request", "read:mark", '{"channelId":"attic","seq":9007199254740993000}'],
    ["bad_cursor", "channel:join", '{"channelId":"attic","since":{"seq":-1,"epoch":"0-0"}}'],
    ["bad_request", "history:get", '{"channelId":"attic","limit":"all"}'],
  ]) {
    const answer = await ask(wire, `["${event}",${argument}]`);
    assert.deepEqual([answer.ok, answer.error?.code], [false, code], `${event} ${argument.slice(0, 80)}`);
  }
  const { messages } = await ask(wire, '["history:get",{"channelId":"attic","limit":1000000000}]');
  assert.deepEqual(messages, []);
  await isWell();
});

test("what he forges in a message is ignored: author, number and time are the server's", async (t) => {
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
  test(`a message of ${name} is text: it comes back as it was, and is in no log`, async (t) => {
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

test("a message with a NUL is refused, for not every store takes it", async (t) => {
  const wire = await mallory(t);
  await ask(wire, '["channel:join",{"channelId":"text-NUL"}]');
  const { error } = await ask(wire, '["message:send",{"channelId":"text-NUL","clientId":"t1","content":"a\\u0000b"}]');
  assert.equal(error.code, "bad_request");
});

test("a name with line ends and escapes cannot write lines into the log", async (t) => {
  const wire = (await engine.session(t)).send(`40${JSON.stringify({ user: "eve\n2026-01-01T00:00:00.000Z error forged.line" })}`);
  assert.match(await wire.next(), /^44/);
  await isWell();
  assert.ok(!server.lines.some((line) => line.startsWith("2026-01-01T00:00:00.000Z error forged.line")));
});
