// SPDX-License-Identifier: Apache-2.0
// run.mjs DECODER [INPUTS [SEED]]: gives INPUTS inputs per parser to Stoa (DECODER: the program of decode.c) and to the reference. Both must
// understand the same, or differ by a rule of differences.mjs, http.mjs or websocket.mjs. Each rule must match its example and be in docs/wire.md.
import { spawnSync } from "node:child_process";
import { assertDocumented } from "../documented.mjs";
import * as messages from "./differences.mjs";
import { Chance, makers as messageMakers } from "./inputs.mjs";
import * as net from "./net.mjs";
import { reference as messageReference } from "./reference.mjs";

const BATCH = 25_000, SHOWN_MAX = 20;
const SECTIONS = {
  "Engine.IO: packets and payloads": ["engine.io packet", "engine.io payload"],
  "Socket.IO: packets": ["socket.io"],
  HTTP: ["http"],
  WebSocket: ["websocket", "websocket, compressed"],
};
const REFUSED = /^(null|\[(null|\["(refused|fail|more)".*)?\])$/; // at once
const makers = { ...messageMakers, ...net.makers }, differences = { ...messages.differences, ...net.differences };
const reference = { ...messageReference, ...net.reference };
const [decoder, inputs = "1000000", seed = String(Date.now() % 2 ** 32)] = process.argv.slice(2);

function record(kind, frames) {
  const pieces = [Buffer.from([kind.charCodeAt(0), frames.length])];
  for (const frame of frames) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(frame.length);
    pieces.push(length, frame);
  }
  return Buffer.concat(pieces);
}

// {kind, bytes}, and what is understood: theirs as a value, ours as a line.
function understood(batch) {
  const seen = batch.map(({ kind, bytes }) => {
    const { value, frames } = reference[kind](bytes);
    return { kind, bytes, theirs: value, record: record(kind, frames) };
  });
  const { status, signal, stdout, stderr } = spawnSync(decoder, { input: Buffer.concat(seen.map((one) => one.record)), maxBuffer: 2 ** 30 });
  if (status !== 0) throw new Error(`the decoder ended with ${status ?? signal}:\n${stderr}`);
  const lines = stdout.toString().split("\n");
  if (lines.length !== seen.length + 1) throw new Error(`${seen.length} inputs, ${lines.length - 1} answers`);
  seen.forEach((one, i) => (one.line = lines[i]));
  return seen;
}

// The name of the difference; null: there is none; undefined: it has no name.
function judge(parser, seen) {
  if (JSON.stringify(seen.theirs) === seen.line) return null;
  seen.ours = JSON.parse(seen.line);
  const same = net.same[parser] ?? messages.equal;
  if (same(seen.theirs, seen.ours)) return null;
  return differences[parser].find(({ is }) => is(seen))?.name;
}

let failures = 0;

function fail(parser, { kind, bytes, theirs, line }, what) {
  if (++failures > SHOWN_MAX) return;
  console.error(`${parser}: ${what}\n  input  ${kind} ${JSON.stringify(bytes.toString("latin1"))}\n  theirs ${JSON.stringify(theirs)}\n  ours   ${line}`);
}

function checkExamples(parser) {
  for (const { name, example } of differences[parser]) {
    const { kind } = makers[parser](new Chance(1));
    const [seen] = understood([{ kind: kind === "b" ? "t" : kind, bytes: example }]);
    const found = judge(parser, seen);
    if (found !== name) fail(parser, seen, `the example of ${name} shows ${found ?? "no difference"}`);
  }
}

function compare(parser) {
  const chance = new Chance(Number(seed));
  const counts = Object.fromEntries(differences[parser].map(({ name }) => [name, 0]));
  let taken = 0;
  for (let left = Number(inputs); left > 0; left -= BATCH) {
    const batch = Array.from({ length: Math.min(left, BATCH) }, () => makers[parser](chance));
    for (const seen of understood(batch)) {
      const name = judge(parser, seen);
      if (!REFUSED.test(seen.line)) taken++;
      if (name === undefined) fail(parser, seen, "a difference without a name");
      else if (name !== null) counts[name]++;
    }
  }
  const differing = Object.values(counts).reduce((sum, count) => sum + count, 0);
  console.log(`${parser}: ${inputs} inputs, ${taken} taken, ${differing} differ by name: ${Object.entries(counts).map((pair) => pair.join(" ")).join(", ")}`);
}

console.log(`seed ${seed}`);
for (const [heading, parsers] of Object.entries(SECTIONS)) {
  assertDocumented(heading, parsers.flatMap((parser) => differences[parser].map(({ name }) => name)));
}
for (const parser of Object.keys(makers)) {
  checkExamples(parser);
  compare(parser);
}
if (failures > 0) console.error(`${failures} failures; seed ${seed}`);
process.exitCode = failures > 0 ? 1 : 0;
