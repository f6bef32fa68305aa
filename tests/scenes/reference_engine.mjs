// SPDX-License-Identifier: Apache-2.0
// What Engine.IO clients send, correct or not, and where the answers of the two servers differ.

const polling = "?EIO=4&transport=polling&sid=SID";

const requests = Object.entries({
  "no transport": ["GET", "?EIO=4"],
  "an unknown transport": ["GET", "?EIO=4&transport=carrier-pigeon"],
  "no version": ["GET", "?transport=polling"],
  "version 3": ["GET", "?EIO=3&transport=polling"],
  "a version that is not written as 4": ["GET", "?EIO=04&transport=polling"],
  "an unknown session": ["GET", "?EIO=4&transport=polling&sid=nobody"],
  "a session named by nothing": ["POST", "?EIO=4&transport=polling&sid="],
  "a handshake by POST": ["POST", "?EIO=4&transport=polling", { body: "4" }],
  "a handshake by PUT": ["PUT", "?EIO=4&transport=polling"],
  "a handshake as WebSocket without an upgrade": ["GET", "?EIO=4&transport=websocket"],
  "two transports": ["GET", "?EIO=4&transport=polling&transport=carrier-pigeon"],
  "OPTIONS": ["OPTIONS", "?EIO=4&transport=polling"],
  "an unknown session, by POST": ["POST", "?EIO=4&transport=polling&sid=nobody", { body: "4" }],
}).map(([what, request]) => ({ name: `a request with ${what}`, does: (visit) => visit.request(...request) }));

const upgrades = Object.entries({
  "no transport": "?EIO=4",
  "an unknown transport": "?EIO=4&transport=carrier-pigeon",
  "an unknown session": "?EIO=4&transport=websocket&sid=nobody",
  "version 3": "?EIO=3&transport=websocket",
  "polling for its transport": "?EIO=4&transport=polling",
}).map(([what, query]) => ({ name: `a WebSocket with ${what}`, async does(visit) {
  await visit.frames(await visit.websocket(query));
} }));

const sessions = Object.entries({
  async "echoes over polling"(visit) {
    await visit.open();
    await visit.push("4hello\x1ebAQI\x1e4");
    await visit.poll();
  },
  async "a large poll of a client that takes gzip"(visit) {
    await visit.open();
    await visit.push(`4${"x".repeat(2000)}`);
    await visit.poll({ headers: "Accept-Encoding: gzip\r\n" });
  },
  async "a poll that waits gets what comes"(visit) {
    await visit.open();
    const poll = await visit.waiting();
    await visit.push("4hello");
    await visit.answer(poll);
  },
  async "no version in a session"(visit) {
    await visit.open();
    await visit.request("POST", "?transport=polling&sid=SID", { body: "4still" });
  },
  async "a poll that is given up"(visit) {
    await visit.open();
    const poll = await visit.waiting();
    poll.socket.destroy();
    await visit.gone();
  },
  async "a body that is given up"(visit) {
    await visit.open();
    const half = visit.ask("POST", polling, { body: "4ha", length: 5 });
    await visit.heard();
    half.socket.destroy();
    await visit.heard();
    await visit.push("4still");
  },
  async "a path below the server's"(visit) {
    await visit.request("GET", "below/it?EIO=4&transport=nothing");
  },
  async "another method in a session"(visit) {
    await visit.open();
    await visit.request("PUT", polling);
    await visit.request("DELETE", polling);
    await visit.push("4still");
    await visit.poll();
  },
  async "a request of a polling session as WebSocket without an upgrade"(visit) {
    await visit.open();
    await visit.request("GET", "?EIO=4&transport=websocket&sid=SID");
    await visit.push("4still");
  },
  async "a body of bytes"(visit) {
    await visit.open();
    await visit.push("4a", { headers: "Content-Type: application/octet-stream\r\n" });
    await visit.poll();
  },
  async "a body of bytes with a parameter"(visit) {
    await visit.open();
    await visit.push("4a", { headers: "Content-Type: application/octet-stream; charset=utf-8\r\n" });
    await visit.poll();
  },
  async "a body beyond maxPayload"(visit) {
    await visit.open();
    await visit.push(`4${"x".repeat(10_000)}`);
    await visit.push("4still");
    await visit.poll();
  },
  async "an empty body"(visit) {
    await visit.open();
    await visit.push("");
    await visit.poll();
  },
  async "a body that is none, behind a packet"(visit) {
    await visit.open();
    await visit.push("4a\x1ex");
    await visit.poll();
  },
  async "a ping from the client"(visit) {
    await visit.open();
    await visit.push("2");
    await visit.poll();
  },
  async "a pong that nobody asked for"(visit) {
    await visit.open();
    await visit.push("3");
    await visit.push("4still");
    await visit.poll();
  },
  async "packets that only servers send, over polling"(visit) {
    await visit.open();
    await visit.push("6");
    await visit.push("4still");
    await visit.poll();
  },
  async "the client's close"(visit) {
    await visit.open();
    await visit.push("1");
    await visit.poll();
  },
  async "the client's close while a poll waits"(visit) {
    await visit.open();
    const poll = await visit.waiting();
    await visit.push("1");
    await visit.answer(poll);
    await visit.poll();
  },
  async "what stands behind the client's close"(visit) {
    await visit.open();
    await visit.push("1\x1e4late");
    await visit.poll();
  },
  async "the server's close while a poll waits"(visit) {
    await visit.open();
    const poll = await visit.waiting();
    await visit.push("4close");
    await visit.answer(poll);
    await visit.poll();
  },
  async "the server's close while no poll waits"(visit) {
    await visit.open();
    await visit.push("4close");
    await visit.poll();
    await visit.poll();
  },
  async "what is said while the server's close waits for a poll"(visit) {
    await visit.open();
    await visit.push("4close");
    await visit.push("4late");
    await visit.poll();
  },
  async "two polls at a time"(visit) {
    await visit.open();
    const poll = await visit.waiting();
    await visit.poll();
    await visit.answer(poll);
    await visit.poll();
  },
  async "two bodies at a time"(visit) {
    await visit.open();
    const half = visit.ask("POST", polling, { body: "4ha", length: 5 });
    await visit.heard();
    await visit.push("4whole");
    await visit.answer(half.send("lf"));
    await visit.poll();
  },
  async "an upgrade"(visit) {
    await visit.open();
    await visit.push("4first");
    const wire = await visit.websocket();
    visit.say(wire, "2probe");
    await visit.frames(wire);
    await visit.poll();
    visit.say(wire, "5", "4second");
    await visit.frames(wire);
    await visit.poll();
    await visit.push("4third");
  },
  async "a poll that waits is let go when an upgrade begins"(visit) {
    await visit.open();
    const poll = await visit.waiting();
    const wire = await visit.websocket();
    visit.say(wire, "2probe");
    await visit.frames(wire);
    await visit.answer(poll);
    visit.say(wire, "5", "4over");
    await visit.frames(wire);
  },
  async "an upgrade as the Swift client makes it"(visit) {
    await visit.open();
    const poll = await visit.waiting();
    const wire = await visit.websocket();
    visit.say(wire, "2probe");
    await visit.frames(wire);
    await visit.answer(poll);
    await visit.push("6");
    visit.say(wire, "5", "4over");
    await visit.frames(wire);
  },
  async "an upgrade without a probe"(visit) {
    await visit.open();
    const wire = await visit.websocket();
    visit.say(wire, "5", "4over");
    await visit.frames(wire);
    await visit.poll();
  },
  async "an upgrade with two probes, and more behind its packet"(visit) {
    await visit.open();
    const wire = await visit.websocket();
    visit.say(wire, "2probe", "2probe", "5 now", "4over");
    await visit.frames(wire, 3);
  },
  async "an upgrade while a poll waits"(visit) {
    await visit.open();
    const poll = await visit.waiting();
    const wire = await visit.websocket();
    visit.say(wire, "5", "4over");
    await visit.answer(poll);
    await visit.frames(wire);
  },
  ...Object.fromEntries(["4hello", "2", "2probed", "6", "1", "x", Buffer.from("2probe")].map((message) => [
    `${Buffer.isBuffer(message) ? "bytes" : `"${message}"`} instead of a probe`,
    async (visit) => {
      await visit.open();
      const wire = await visit.websocket();
      visit.say(wire, message);
      await visit.frames(wire);
      await visit.push("4still");
      await visit.poll();
    },
  ])),
  async "a second WebSocket while one is probed"(visit) {
    await visit.open();
    const wire = await visit.websocket();
    await visit.frames(await visit.websocket());
    visit.say(wire, "2probe");
    await visit.frames(wire);
  },
  async "a second WebSocket after an upgrade"(visit) {
    await visit.open();
    const wire = await visit.websocket();
    visit.say(wire, "2probe", "5");
    await visit.frames(wire);
    await visit.frames(await visit.websocket());
    visit.say(wire, "4still");
    await visit.frames(wire);
  },
  async "a second WebSocket for a session that is one"(visit) {
    const wire = await visit.session();
    const second = await visit.websocket();
    visit.say(second, "2probe");
    await visit.frames(second);
    visit.say(wire, "4still");
    await visit.frames(wire);
  },
  async "a WebSocket that speaks"(visit) {
    const wire = await visit.session();
    visit.say(wire, "4hello", Buffer.from([1, 2]), "4", "bAQI", "b", Buffer.alloc(0));
    await visit.frames(wire, 6);
  },
  async "a WebSocket whose client has no binary frames"(visit) {
    const wire = await visit.session("?EIO=4&transport=websocket&b64=1");
    visit.say(wire, "4hello", Buffer.from([1, 2]), "bAQI", "b");
    await visit.frames(wire, 4);
  },
  async "a WebSocket that does not say so"(visit) {
    const wire = await visit.session("?EIO=4&transport=websocket&b64=");
    visit.say(wire, "bAQI");
    await visit.frames(wire);
  },
  async "an upgrade to a WebSocket without binary frames"(visit) {
    await visit.open();
    const wire = await visit.websocket("?EIO=4&transport=websocket&sid=SID&b64=1");
    visit.say(wire, "2probe", "5", "bAQI");
    await visit.frames(wire, 2);
  },
  ...Object.fromEntries(["1", "2", "x", "", "0{}", "5", "6", `4${"x".repeat(10_000)}`].map((message) => [
    `a WebSocket that says ${message.length < 9 ? `"${message}"` : "more than maxPayload"}`,
    async (visit) => {
      const wire = await visit.session();
      visit.say(wire, message, "4still");
      await visit.frames(wire);
    },
  ])),
  async "a WebSocket that the server closes"(visit) {
    const wire = await visit.session();
    visit.say(wire, "4close");
    await visit.frames(wire);
  },
  async "requests of a session that is a WebSocket"(visit) {
    await visit.session();
    await visit.poll();
    await visit.push("4a");
  },
}).map(([name, does]) => ({ name, does }));

// The differences: the case, its name in docs/wire.md, and both answers.
const GONE = '400 application/json {"code":1,"message":"Session ID unknown"}';
export const differences = {
  "a request with two transports": ["query-repeated", ['400 application/json {"code":0,"message":"Transport unknown"}'], ["open"]],
  "a request with OPTIONS": ["preflight", ['400 application/json {"code":2,"message":"Bad handshake method"}'], ["204"]],
  "a WebSocket with version 3": ["refused-before-101", ["opened", "closed 21584"], ["400 Unsupported protocol version", "closed without a word"]],
  "a WebSocket with polling for its transport": ["refused-before-101", ["opened", "closed"], ["400 Bad request", "closed without a word"]],
  "no version in a session": ["version-once", ['400 application/json {"code":3,"message":"Bad request"}'], ["200 text/html ok"]],
  "a large poll of a client that takes gzip": [
    "poll-not-compressed",
    ["200 text/plain; charset=UTF-8 in gzip"],
    [`200 text/plain; charset=UTF-8 4${"x".repeat(2000)}`],
  ],
  "a body that is given up": ["half-a-body", [GONE], ["200 text/html ok"]],
  "two bodies at a time": ["half-a-body", ["400", "gone", GONE], ["200 text/html ok", "200 text/html ok", "200 text/plain; charset=UTF-8 4whole\x1e4half"]],
  "a body beyond maxPayload": ["too-large-closes", ["413"], ["413 closes"]],
  "an empty body": ["bad-body-said", ["200 text/html ok"], ["400"]],
  "a body that is none, behind a packet": ["bad-body-said", ["200 text/html ok"], ["400"]],
  'a WebSocket that says "1"': ["close-over-websocket", ["4still"], ["closed"]],
  "the server's close while no poll waits": ["close-alone", ["200 text/plain; charset=UTF-8 6\x1e1"], ["200 text/plain; charset=UTF-8 1"]],
  "what is said while the server's close waits for a poll": ["close-alone", ["200 text/plain; charset=UTF-8 6\x1e1"], ["200 text/plain; charset=UTF-8 1"]],
  "an upgrade while a poll waits": ["upgrade-frees-poll", ["200 text/plain; charset=UTF-8 1"], ["200 text/plain; charset=UTF-8 6"]],
  "a second WebSocket for a session that is one": ["one-websocket", ["opened", "3probe"], ["400 Bad request", "closed without a word"]],
  'a WebSocket that says "2"': ["close-code", ["closed"], ["closed 1002"]],
};

export const cases = [...requests, ...upgrades, ...sessions];
