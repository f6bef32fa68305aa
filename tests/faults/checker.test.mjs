// SPDX-License-Identifier: Apache-2.0
// The checker itself: it finds the violation in each bad history, and none in a good one.

import assert from "node:assert/strict";
import test from "node:test";
import { check } from "./checker.mjs";

const A = { client: "alice", channel: "c" }, B = { client: "bob", channel: "c" };
const row = (seq, clientId, content = clientId, more = {}) => ({ channel: "c", seq, epoch: "1-x", kind: 0, sender: "alice", clientId, content, ...more });
const sent = (clientId, more = {}) => ({ ...A, type: "invoke", clientId, content: clientId, ...more });
const ok = (clientId, seq, more = {}) => ({ ...A, type: "ok", clientId, seq, epoch: "1-x", ...more });
const recv = (who, seq, content, more = {}) => ({ ...who, type: "recv", name: "message:new", seq, epoch: "1-x", content, how: "live", ...more });
const joined = (who, seq = 0) => ({ ...who, type: "join", seq });

const good = [joined(A), joined(B), sent("m1"), recv(A, 1, "m1"), recv(B, 1, "m1"), ok("m1", 1), sent("m2"), recv(A, 2, "m2"), recv(B, 2, "m2"), ok("m2", 2)];
const stored = [row(1, "m1"), row(2, "m2")];
const without = (history, drop) => history.filter((event) => !drop(event));

const bad = {
  "I1 an acknowledged message is missing": [good, [row(1, "m1")]],
  "I1 an acknowledged message has another number": [[joined(A, 9), sent("m1"), ok("m1", 2)], [row(1, "m1")]],
  "I1 everything is missing": [good, []],
  "I2 a number is missing": [[], [row(1, "m1"), row(3, "m3")]],
  "I2 the first number is missing": [[], [row(2, "m2")]],
  "I2 a number is there twice": [[], [row(1, "m1"), row(1, "m2")]],
  "I3 a message is stored twice": [[sent("m1")], [row(1, "m1"), row(2, null, "m1")]],
  "I3 two acknowledgements disagree": [[joined(A, 9), sent("m1"), ok("m1", 1), ok("m1", 2)], [row(1, "m1")]],
  "I3 an id is taken for something else": [[sent("m1"), { ...A, type: "reused", clientId: "m1", content: "other" }], stored],
  "I4 nobody sent it": [[joined(A), recv(A, 1, "ghost")], [row(1, "g", "ghost")]],
  "I4 it was refused and stored": [[sent("m1"), { ...A, type: "fail", clientId: "m1", content: "m1", code: "forbidden" }], [row(1, "m1")]],
  "I5 a number is skipped": [without(good, (event) => event.type === "recv" && event.client === "bob" && event.seq === 1), stored],
  "I5 numbers come twice": [[...good, recv(B, 2, "m2")], stored],
  "I5 numbers come backwards": [[joined(B), sent("m1"), sent("m2"), recv(B, 2, "m2"), recv(B, 1, "m1")], stored],
  "I5 live before the replayed tail": [[joined(B), sent("m1"), sent("m2"), recv(B, 2, "m2"), recv(B, 1, "m1", { how: "resume" })], stored],
  "I6 two clients see different contents": [[joined(A), joined(B), sent("m1"), sent("m2"), recv(A, 1, "m1"), recv(B, 1, "m2")], [row(1, "m1")]],
  "I6 a client saw what is not stored": [[joined(A), sent("m1"), sent("m2"), recv(A, 1, "m2")], stored],
  "I7 the tail never came": [without(good, (event) => event.type === "recv" && event.client === "bob" && event.seq === 2), stored],
  "I7 nothing ever came": [without(good, (event) => event.type === "recv" && event.client === "bob"), stored],
  "I9 a later send has a lower number": [[joined(A, 9), sent("m1"), ok("m1", 2), sent("m2"), ok("m2", 1)], [row(1, "m2"), row(2, "m1")]],
  "I9 two sends of one connection are swapped": [[joined(A, 9), sent("m1", { n: 0, fifo: "p" }), sent("m2", { n: 1, fifo: "p" }), ok("m1", 2), ok("m2", 1)], [row(1, "m2"), row(2, "m1")]],
  "I10 it came late": [[joined(A), sent("m1"), ok("m1", 1, { t: 5 }), recv(A, 1, "m1", { t: 2006 })], stored],
  "I14 a send was never answered": [[{ ...A, type: "silent", clientId: "m1" }], []],
};

bad["I10 it came only when it was asked for"] = [[{ ...A, type: "connect", t: 1 }, joined(A), sent("m1"), ok("m1", 1, { t: 5 }), { ...A, type: "disconnect", t: 2010 },
  { ...A, type: "connect", t: 2011 }, recv(A, 1, "m1", { t: 2012, how: "resume" })], stored];
bad["I6 a client got what the log does not have"] = [[joined(A), sent("m1"), recv(A, 1, "m1")], []];
bad["I8 what was unknown is stored twice"] = [[sent("m1"), sent("m2")], [row(1, "m1"), row(2, "m1", "m2")]];
bad["I12 nothing is acknowledged after a fault"] = [[{ type: "nemesis", phase: "stop", t: 5, boundMs: 1000 }], []];
bad["I12 it takes too long"] = [[sent("m1"), { type: "nemesis", phase: "stop", t: 5, boundMs: 1000 }, ok("m1", 1, { t: 1006 })], [row(1, "m1")]];
bad["I10 it came late after the fault"] = [[{ type: "nemesis", phase: "start", t: 1 }, { type: "nemesis", phase: "stop", t: 4 }, ...bad["I10 it came late"][0]], stored];

bad["I12 a fault elsewhere refuses a send"] = [[joined(A, 9), { type: "nemesis", phase: "start", t: 1, only: ["hot"] }, sent("m1", { t: 2 }), { ...A, type: "unknown", clientId: "m1", t: 9 }], []];
bad["I12 a fault elsewhere delays a send"] = [[joined(A, 9), { type: "nemesis", phase: "start", t: 1, only: ["hot"] }, sent("m1", { t: 2 }), ok("m1", 1, { t: 1003 })], [row(1, "m1")]];
bad["I1 it is acknowledged where nothing can be kept"] = [[...good, { type: "deaf", phase: "start" }, sent("m3"), ok("m3", 3)], [...stored, row(3, "m3")]];
bad["I1 an old primary acknowledges, and nobody had written to the new one"] = [[joined(A, 9), { type: "succession", epoch: 1, t: 1 }, sent("m1", { t: 4000 }), ok("m1", 1, { t: 4001 })], [row(1, "m1")]];
bad["I1 one who was expelled is let in"] = [[joined(B), { ...B, type: "expelled" }, { ...joined(B), type: "rejoin" }], []];

const connect = (who, t) => ({ ...who, type: "connect", t }), disconnect = (who, t) => ({ ...who, type: "disconnect", t });
const told = (status) => (who, userId, t) => ({ client: who.client, type: "event", name: "presence:changed", t, payload: { channelId: "c", users: [{ userId, status }], online: 1 } });
const offline = told("offline"), online = told("online");
const fault = (start, stop) => [{ type: "nemesis", phase: "start", t: start }, { type: "nemesis", phase: "stop", t: stop, boundMs: Infinity }, ok("m0", 1, { t: stop })];
const meet = [connect(A, 0), connect(B, 0), online(A, "bob", 50)], bye = [disconnect(B, 100)], end = { ...A, type: "event", name: "typing", t: 20_000 };

bad["I11 one who stayed is said to be offline"] = [[...meet, offline(A, "bob", 5000)], []];
bad["I11 one who was back at once is said to be offline"] = [[...meet, disconnect(B, 4000), connect(B, 4300), offline(A, "bob", 4200)], []];
bad["I11 a user is said to be offline long after the fault"] = [[...meet, ...fault(3000, 4000), offline(A, "bob", 14_001)], [row(1, "m0")]];
bad["I11 one who left is online for ever in another's eyes"] = [[...meet, ...bye, end], []];
bad["I11 one who left stays online in one of two channels"] = [[...meet, { ...online(A, "bob", 60), payload: { channelId: "d", users: [{ userId: "bob", status: "away" }] } }, ...bye, offline(A, "bob", 5200), end], []];
bad["I11 one who left is told to who comes later"] = [[connect(B, 0), ...bye, connect(A, 4000), online(A, "bob", 4010), end], []];
bad["I11 one who left is online long after the fault"] = [[...meet, ...bye, ...fault(3000, 4000), { ...end, t: 15_101 }], [row(1, "m0")]];
bad["I11 one who left after the fault is online for ever"] = [[...meet, ...fault(50, 90), ...bye, end], [row(1, "m0")]];

const fine = {
  "one who left is said to be offline": [...meet, ...bye, offline(A, "bob", 5200), end],
  "a user who is away is said to be offline, and the word comes as they are back": [...meet, disconnect(B, 100), connect(B, 5150), offline(A, "bob", 5200)],
  "one who left is online until the bound": [...meet, ...bye, offline(A, "bob", 15_100), end],
  "one who left is back before the bound": [...meet, ...bye, connect(B, 15_100), end],
  "a user left, and everybody who heard of them has gone, too": [...meet, ...bye, disconnect(A, 15_000), end],
  "one who left and is told of too late, and not for long": [connect(B, 0), ...bye, connect(A, 10_000), online(A, "bob", 10_010), end],
  "one who left is online as long as a fault lasts, and the bound after it": [...meet, ...bye, ...fault(3000, 14_000), offline(A, "bob", 23_900), { ...end, t: 40_000 }],
  "one is said to be offline in a fault's time, and in the bound after it": [...meet, ...fault(3000, 4000), offline(A, "bob", 3500), offline(A, "bob", 13_999)],
};
for (const [name, history] of Object.entries(fine)) {
  test(`presence is right: ${name}`, () => assert.deepEqual(check(history, []).filter((line) => line.startsWith("I11")), []));
}

const all = (history, truth) => test(`nothing is wrong: ${JSON.stringify(history.map(({ type }) => type))}`, () => assert.deepEqual(check(history, truth), []));
all([joined(A, 9), { type: "nemesis", phase: "start", t: 1, only: ["c"] }, sent("m1", { t: 2 }), { ...A, type: "unknown", clientId: "m1", t: 9 }], []);
all([...good, { type: "deaf", phase: "start" }, ok("m2", 2, { duplicate: true }), { type: "deaf", phase: "stop" }], stored);
all([...good, { type: "damaged", channel: "c", seq: 1 }], [row(1, "m1", "n1"), row(2, "m2")]);
all([joined(A, 9), { type: "succession", epoch: 1, t: 1 }, sent("m1", { t: 4000 }), ok("m1", 1, { t: 4001, epoch: "2-y" })], [row(1, "m1", "m1", { epoch: "2-y" })]);

test("a good history has no violation", () => assert.deepEqual(check(good, stored), []));

for (const [name, [history, truth]] of Object.entries(bad)) {
  test(`a bad history is found: ${name}`, () => {
    const found = check(history, truth);
    assert.ok(found.some((line) => line.startsWith(name.split(" ")[0] + " ")), found.join("\n") || "nothing was found");
  });
}

// m2 was acknowledged and delivered as 2 of the first epoch, and lost in the promotion; m3 is 2 of the second epoch.
const second = { epoch: "2-y" };
const forked = [...good, { ...A, type: "reset", forkSeq: 1, epoch: "2-y" }, { ...B, type: "reset", forkSeq: 1, epoch: "2-y" },
  sent("m3"), recv(A, 2, "m3", second), recv(B, 2, "m3", second), ok("m3", 2, second)];
const left = [row(1, "m1"), row(2, "m3", "m3", second)];
const untold = without(forked, ({ type, client }) => type === "reset" && client === "bob");
const finds = (name, violations) => assert.ok(violations.some((line) => line.startsWith(name)), violations.join("\n") || "nothing was found");

test("a loss announced to all who knew of it is no violation", () => assert.deepEqual(check(forked, left, { lossy: true }), []));
test("a loss in a store that must not lose is found", () => finds("I1 lost", check(forked, left)));
test("a loss that one client was not told of is found", () => finds("I1 lost and not announced: bob", check(untold, left, { lossy: true })));
test("an acknowledgement by an old primary is found even if its loss is announced", () => {
  const late = [...forked, sent("m4"), ok("m4", 3, { t: 9000 }), { ...A, type: "reset", forkSeq: 2, epoch: "2-y" }];
  finds("I1 by an old primary: alice m4", check(late.map((event) => ({ t: 1, ...event })), left, { lossy: true }));
});
test("a duplicate has the epoch that it was stored in", () =>
  assert.deepEqual(check([...forked, ok("m1", 1, { t: 9000, retry: true, duplicate: true })].map((event) => ({ t: 1, ...event })), left, { lossy: true }), []));
test("a log that is not read again after the reset is found", () =>
  finds("I7", check(without(forked, ({ type, client, epoch }) => type === "recv" && client === "bob" && epoch === "2-y"), left, { lossy: true })));
test("a client that was away may get an event late", () => {
  const history = [{ ...A, type: "connect", t: 1 }, sent("m1"), ok("m1", 1, { t: 5 }), { ...A, type: "disconnect", t: 9 }, { ...A, type: "connect", t: 3000 }, recv(A, 1, "m1", { t: 3001, how: "resume" })];
  assert.deepEqual(check(history, stored).filter((line) => line.startsWith("I10")), []);
});
test("an event may come late during a fault", () => {
  const late = [{ type: "nemesis", phase: "start", t: 1 }, ...bad["I10 it came late"][0]];
  assert.deepEqual(check(late, stored).filter((line) => line.startsWith("I10")), []);
});
