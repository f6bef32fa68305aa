// SPDX-License-Identifier: Apache-2.0
// Every intended difference between Stoa's parsers and the reference's, by its name in docs/wire.md. A rule decides whether an observed
// difference is the one of its name: `theirs` and `ours` are what each parser understood, null is a refusal. `example`: an input that
// shows the difference.

/** Are the values the same, in whatever notation? */
export function equal(a, b) {
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return Object.is(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
}

// Every string as it is after encoding as UTF-8.
function wellFormed(value) {
  if (typeof value === "string") return Buffer.from(value).toString();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (value === null || typeof value !== "object") return value;
  const copy = Object.create(null);
  for (const key of Object.keys(value)) copy[wellFormed(key)] = wellFormed(value[key]);
  return copy;
}

const isUtf8 = (bytes) => Buffer.from(bytes.toString()).equals(bytes);
const SPACE = /[\t-\r ]/g;
const base64 = (bytes) => (bytes[0] === "b".charCodeAt(0) ? bytes.toString("latin1", 1).replace(SPACE, "") : null);

const packet = [
  {
    name: "base64-junk",
    example: Buffer.from("bAQ*ID"),
    is: ({ bytes, theirs, ours }) => theirs && !ours && /[^A-Za-z0-9+/_=-]|=[^=]/.test(base64(bytes) ?? ""),
  },
  {
    name: "base64-cut",
    example: Buffer.from("bAQIDB"),
    is: ({ bytes, theirs, ours }) => theirs && !ours && base64(bytes)?.replaceAll("=", "").length % 4 === 1,
  },
];

// The packets of a payload, from the first one that the parsers understand differently.
function fromFirstDifference({ bytes, theirs, ours }) {
  const parts = bytes.toString("latin1").split("\x1e").map((part) => Buffer.from(part, "latin1"));
  const at = theirs.findIndex((value, i) => !equal(value, ours[i]));
  return { at, bytes: parts[at], theirs: theirs[at] ?? null, ours: ours[at] ?? null };
}

const payload = [
  ...packet.map(({ name, example, is }) => ({ name, example: Buffer.concat([Buffer.from("4a\x1e"), example]), is: (seen) => is(fromFirstDifference(seen)) })),
  {
    name: "text-not-utf8",
    example: Buffer.from([0x34, 0xff]),
    is(seen) {
      const { bytes, theirs, ours } = fromFirstDifference(seen);
      return theirs && !ours && !isUtf8(bytes);
    },
  },
  {
    name: "packets-of-a-payload",
    example: Buffer.from(Array(1025).fill("4").join("\x1e")),
    is(seen) {
      const { at, theirs, ours } = fromFirstDifference(seen);
      return theirs && !ours && at === 1024;
    },
  },
];

// Socket.IO. The parts of a text as the reference cuts it: type, attachments, namespace, id, the rest.
function parts(text) {
  const binary = /^[56]/.test(text);
  const attachments = binary ? text.slice(1).split("-", 1)[0] : "";
  let rest = text.slice(binary ? attachments.length + 2 : 1);
  const namespace = rest[0] === "/" ? rest.split(",", 1)[0] : "/";
  if (rest[0] === "/") rest = rest.slice(namespace.length + 1);
  const [id] = rest.match(/^[\d\s]*/);
  return { type: text[0], attachments, namespace, id, rest: rest.slice(id.length) };
}

function deepest(value) {
  if (value === null || typeof value !== "object") return 0;
  return 1 + Object.values(value).reduce((most, item) => Math.max(most, deepest(item)), 0);
}

// As in the text, and as they remain when the last one of each name wins.
const keysWritten = (rest) => [...rest.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/gs)].filter(([, colon]) => colon).length;

function keysLeft(value) {
  if (value === null || typeof value !== "object") return 0;
  return (Array.isArray(value) ? 0 : Object.keys(value).length) + Object.values(value).reduce((sum, item) => sum + keysLeft(item), 0);
}

// The numbers of all placeholders.
function placeholders(value, found = []) {
  if (value === null || typeof value !== "object") return found;
  if (value._placeholder === true) found.push(value.num);
  else Object.values(value).forEach((item) => placeholders(item, found));
  return found;
}

function announced({ rest, attachments }) {
  const nums = rest === "" ? [] : placeholders(JSON.parse(rest));
  return { nums, count: Number(attachments), integers: nums.every(Number.isInteger) && !/"num"\s*:\s*-?\d+[.eE]/.test(rest) };
}

const refused = (is) => (seen) => seen.theirs && !seen.ours && is(parts(seen.bytes.toString()), seen);
const places = (is) => refused((cut) => /^[56]/.test(cut.type) && is(announced(cut)));

const socketio = [
  { name: "type-blank", example: Buffer.from(" "), is: refused(({ type }) => /\s/.test(type)) },
  {
    name: "attachments-not-digits",
    example: Buffer.from('51.0-["a",{"_placeholder":true,"num":0}]'),
    is: refused(({ type, attachments }) => /[56]/.test(type) && !/^\d+$/.test(attachments)),
  },
  { name: "namespace-long", example: Buffer.from(`0/${"n".repeat(128)}`), is: refused(({ namespace }) => Buffer.byteLength(namespace) > 128) },
  {
    name: "id-blank",
    example: Buffer.from('2 ["a"]'),
    is({ bytes, theirs, ours }) {
      const { id, rest } = parts(bytes.toString());
      if (!theirs || !/\s/.test(id)) return false;
      if (!ours) return rest === "" || /\s\d/.test(id) || /[^\d \t\r\n]/.test(id);
      return equal(wellFormed({ ...theirs, id: 0 }), { ...ours, id: 0 });
    },
  },
  {
    name: "id-beyond-64-bits",
    example: Buffer.from('218446744073709551616["a"]'),
    is: refused(({ id }) => /^\d+\s*$/.test(id) && BigInt(id.trim()) >= 2n ** 64n),
  },
  { name: "event-without-payload", example: Buffer.from("2"), is: refused(({ type, rest }) => /[25]/.test(type) && rest === "") },
  {
    name: "event-name-long",
    example: Buffer.from(`2["${"n".repeat(129)}"]`),
    is: refused(({ type, rest }) => /[25]/.test(type) && Buffer.byteLength(String(JSON.parse(rest)[0])) > 128),
  },
  {
    name: "json-deep",
    example: Buffer.from(`2["a",${"[".repeat(32)}${"]".repeat(32)}]`),
    is: refused(({ rest }) => rest !== "" && deepest(JSON.parse(rest)) > 32),
  },
  {
    name: "json-many-keys",
    example: Buffer.from(`2["a",{${Array.from({ length: 257 }, (_, i) => `"k${i}":0`)}}]`),
    is: refused(({ rest }) => keysWritten(rest) > 256),
  },
  {
    name: "placeholder-number",
    example: Buffer.from('51-["a",{"_placeholder":true,"num":0.0}]'),
    is: places(({ integers }) => !integers),
  },
  {
    name: "placeholder-twice",
    example: Buffer.from('51-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]'),
    is: places(({ nums, integers }) => integers && new Set(nums).size < nums.length),
  },
  {
    name: "attachment-unused",
    example: Buffer.from('51-["a"]'),
    is: places(({ nums, count, integers }) => integers && new Set(nums).size < count),
  },
  {
    name: "key-repeated",
    example: Buffer.from('51-["a",{"b":{"_placeholder":true,"num":0},"b":{"_placeholder":true,"num":0}}]'),
    is: refused(({ rest }) => rest !== "" && keysWritten(rest) > keysLeft(JSON.parse(rest))),
  },
  {
    name: "half-surrogate",
    example: Buffer.from('2["a","\\ud83d"]'),
    is: ({ theirs, ours }) => theirs && ours && equal(wellFormed(theirs), ours),
  },
];

/** By parser. */
export const differences = { "engine.io packet": packet, "engine.io payload": payload, "socket.io": socketio };
