// SPDX-License-Identifier: Apache-2.0
// What Socket.IO clients send, correct or not, and where the answers of the two servers differ.

const PLACE = (num) => `{"_placeholder":true,"num":${num}}`;
const BYTES = Buffer.from([0, 1, 255]);

// Over a WebSocket: what is sent, and how many frames are then received.
const spoken = Object.entries({
  "CONNECT": [["40"], 2],
  "CONNECT with what it says of itself": [['40{"token":"x"}'], 2],
  "CONNECT to a namespace": [["40/custom,"], 2],
  "CONNECT to a namespace, without the comma": [["40/custom"], 2],
  "CONNECT to a namespace, with what it says of itself": [['40/custom,{"a":[1]}'], 2],
  "CONNECT to an unknown namespace, and to one that is known": [["40/nowhere", "40/custom,"], 3],
  "CONNECT to a namespace with a query": [["40/custom?token=x,"], 1],
  "CONNECT with a number": [["407{}"], 2],
  "CONNECT with a list": [["40[]"], 1],
  "CONNECT that is none": [["40abc"], 1],
  "an event before CONNECT": [['42["echo"]'], 1],
  "an acknowledgement before CONNECT": [["430[]"], 1],
  "DISCONNECT before CONNECT": [["41"], 1],
}).map(([name, [messages, count]]) => ({ name, async does(visit) {
  const wire = await visit.session();
  visit.say(wire, ...messages);
  await visit.frames(wire, count);
} }));

// The same after the join of the main namespace.
const joined = Object.entries({
  "an event": [['42["echo",1,"2",{"3":[true,null]}]'], 1],
  "an event to a namespace": [["40/custom,"], 2, ['42/custom,["echo",1]'], 1],
  "an event that asks for an acknowledgement": [['420["answer",1,{"a":[]}]'], 1],
  "an event with a large number": [['429007199254740991["answer"]'], 1],
  "an event of a namespace that was not joined": [['42/custom,["echo"]'], 1],
  "an event that nobody handles": [['42["nobody"]', '42["echo"]'], 1],
  "an event that nobody handles and that asks for an acknowledgement": [['424["nobody"]', '42["echo"]'], 1],
  "an event that is a number": [["42[1]", '42["echo"]'], 1],
  "an event of no name": [['42["",1]', '42["echo"]'], 1],
  "texts of all kinds": [['42["echo","","grüße 👋","\\ud83d\\udc4b\\u0000\\n/\\/"]'], 1],
  "a text cut within an emoji": [['42["echo","\\ud83d"]'], 1],
  "numbers": [['42["echo",0,-1,1.5,1e2,-1.25e-3,9007199254740991]'], 1],
  "integers beyond those that are exact": [['42["echo",9007199254740993,-12345678901234567890]'], 1],
  "numbers beyond all": [['42["echo",1e999,-1e999]'], 1],
  "fractions": [['42["echo",0.1,1e21,123456789.123456789,1.7976931348623157e308]'], 1],
  "a key that JavaScript has its own meaning for": [['42["echo",{"__proto__":1}]'], 1],
  "an event that JavaScript has its own meaning for": [['42["toString"]', '42["__proto__"]', '42["echo"]'], 1],
  "a name that JavaScript has its own meaning for": [['42["echo",{"constructor":1,"toString":[]}]'], 1],
  "JSON with white space": [['42["echo" , { "a" : [ ] } ]'], 1],
  "a key that comes twice": [['42["echo",{"a":1,"a":2}]'], 1],
  "a placeholder where none was announced": [[`42["echo",${PLACE(0)}]`], 1],
  "an event with an attachment": [[`451-["echo",${PLACE(0)}]`, BYTES], 2],
  "an event with attachments, deep and in another order": [[`452-["echo",{"a":[${PLACE(1)}]},${PLACE(0)}]`, BYTES, Buffer.from([7])], 3],
  "attachments in an acknowledgement": [[`451-3["answer",${PLACE(0)}]`, BYTES], 2],
  "an attachment in base64": [[`451-["echo",${PLACE(0)}]`, "bAAH/"], 2],
  "an attachment of no bytes": [[`451-["echo",${PLACE(0)}]`, Buffer.alloc(0)], 2],
  "ten attachments": [[`4510-["echo",${Array.from({ length: 10 }, (_, i) => PLACE(i))}]`, ...Array(10).fill(BYTES)], 11],
  "eleven attachments": [[`4511-["echo",${Array.from({ length: 11 }, (_, i) => PLACE(i))}]`], 1],
  "no attachments": [['450-["echo"]'], 1],
  "text where an attachment was announced": [[`451-["echo",${PLACE(0)}]`, '42["echo"]'], 1],
  "an attachment that nobody announced": [[BYTES], 1],
  "a placeholder beyond the attachments": [[`451-["echo",${PLACE(1)}]`, BYTES], 1],
  "an acknowledgement that nobody asked for": [["4399[1]", '42["echo"]'], 1],
  "a list that is cut off": [['42["echo"'], 1],
  "an event that is an object": [["42{}"], 1],
  "an event without a name": [["42[]"], 1],
  "an event of an own name": [['42["disconnect"]'], 1],
  "an unknown type": [["47"], 1],
  "nothing": [["4"], 1],
  "CONNECT_ERROR": [['44{"message":"x"}'], 1],
  "CONNECT_ERROR of nothing": [["44"], 1],
  "DISCONNECT with a payload": [["41{}"], 1],
  "CONNECT twice": [["40"], 1],
  "DISCONNECT, and an event": [["41"], 0, ['42["echo"]'], 1],
  "DISCONNECT, and CONNECT": [["41"], 0, ["40"], 2],
  "DISCONNECT of a namespace": [["40/custom,"], 2, ["41/custom,", '42["echo"]'], 1],
  "being disconnected": [['42["leave"]'], 1, ["40"], 2],
}).map(([name, steps]) => ({ name: `${name}, once joined`, async does(visit) {
  const wire = await visit.session();
  visit.say(wire, "40");
  await visit.frames(wire, 2);
  for (let i = 0; i < steps.length; i += 2) {
    visit.say(wire, ...steps[i]);
    await visit.frames(wire, steps[i + 1]);
    await visit.heard();
  }
} }));

const answers = Object.entries({ "a list": '[1,"a"]', "an empty list": "[]", "nothing": "" }).map(([what, list]) => ({
  name: `the server's question answered with ${what}`,
  async does(visit) {
    const wire = await visit.session();
    visit.say(wire, "40");
    await visit.frames(wire, 2);
    visit.say(wire, '42["ask"]');
    const [, id] = (await wire.frame()).match(/^42(\d+)\["question"\]$/);
    visit.say(wire, `43${id}${list}`);
    await visit.frames(wire);
  },
}));

const withoutBinary = {
  name: "attachments to a client without binary frames",
  async does(visit) {
    const wire = await visit.session("?EIO=4&transport=websocket&b64=1");
    visit.say(wire, "40");
    await visit.frames(wire, 2);
    visit.say(wire, `451-["echo",${PLACE(0)}]`, "bAAH/");
    await visit.frames(wire, 2);
  },
};

const overPolling = Object.entries({
  async "events and attachments over polling"(visit) {
    await visit.open();
    await visit.push("40");
    await visit.poll();
    await visit.push(`451-["echo",${PLACE(0)}]`);
    await visit.push("bAAEC\n\x1e42[\"echo\"]");
    await visit.poll();
  },
  async "an event right behind CONNECT"(visit) {
    await visit.open();
    await visit.push('40\x1e42["echo",1]');
    await visit.poll();
  },
  async "what is wrong over polling"(visit) {
    await visit.open();
    const poll = await visit.waiting();
    await visit.push("42[]");
    await visit.answer(poll);
    await visit.poll();
  },
}).map(([name, does]) => ({ name, does }));

// As in reference_engine.mjs.
export const differences = {
  "an event that nobody handles and that asks for an acknowledgement, once joined": [
    "unknown-event",
    ['42["echoed"]'],
    ['434[{"ok":false,"error":{"code":"unknown_event","message":"no handler for this event"}}]'],
  ],
  "a text cut within an emoji, once joined": ["half-surrogate", ['42["echoed","\\ud83d"]'], ['42["echoed","\ufffd"]']],
  "integers beyond those that are exact, once joined": [
    "integer-beyond-2^53",
    ['42["echoed",9007199254740992,-12345678901234567000]'],
    ['42["echoed","9007199254740993","-12345678901234567890"]'],
  ],
  "numbers beyond all, once joined": ["number-beyond-doubles", ['42["echoed",null,null]'], ['42["echoed","1e999","-1e999"]']],
  "an event right behind CONNECT": [
    "event-behind-connect",
    ["200 text/plain; charset=UTF-8 6\x1e1"],
    ['200 text/plain; charset=UTF-8 40{"sid":"ID"}\x1e42["auth",{}]\x1e42["echoed",1]'],
  ],
};

export const cases = [...spoken, ...joined, ...answers, withoutBinary, ...overPolling];
