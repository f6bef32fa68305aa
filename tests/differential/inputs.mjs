// SPDX-License-Identifier: Apache-2.0
// Random inputs: texts that a protocol's grammar allows, sometimes with a few changes. A seed decides everything.

/** Random numbers (mulberry32). */
export class Chance {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  #next() {
    let t = (this.#state = (this.#state + 0x6d2b79f5) >>> 0);
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** 0 … limit - 1 */
  below(limit) {
    return this.#next() % limit;
  }

  oneIn(n) {
    return this.below(n) === 0;
  }

  of(list) {
    return list[this.below(list.length)];
  }

  list(most, make) {
    return Array.from({ length: this.below(most + 1) }, make);
  }

  bytes(most) {
    return Buffer.from(this.list(most, () => this.below(256)));
  }
}

const LETTERS = [..."abcdefghijklmnopqrstuvwxyz", "ä", "é", "ß", "€", "漢", "😀", "\u2028", "\0", "\x7f"];
const SPACES = [" ", "\t", "\n", "\r", "\f", "\v", "\u00a0", "\ufeff", "\u2028"];
const MARKS = [..."0123456789+-.eE,:/\"\\{}[]()=_*b", "\x1e", "\x00", "\x1f", "\ud83d", "\ude00", "\ufffd", ...SPACES];
const NAMES = ["a", "hello", "channel:list", "message", "", "_placeholder", "num", "connect", "connect_error", "disconnect",
  "disconnecting", "newListener", "removeListener", "toString", "__proto__", "\\u0063onnect", "\\ud83d\\ude00", "\\ud83d", "\\ude00x"];
const NUMBERS = ["0", "1", "7", "10", "-0", "-1", "0.5", "1.0", "1e0", "1E+2", "1e999", "-1e999", "9007199254740993", "18446744073709551615",
  "18446744073709551616", "1".repeat(30), "4e-320", "0.1", "123456789012345680000"];
const BAD = ["01", "1.", ".5", "+1", "1e", "NaN", "'a'", "undefined", "//", "\\x", "\\u12g4", "\\ud83d\\", ...NUMBERS, ...NAMES];

const text = (chance) => chance.list(8, () => chance.of(chance.oneIn(6) ? MARKS : LETTERS)).join("");

// Base64 in all variants: either alphabet, with line breaks, with or without padding, or cut off.
function base64(chance) {
  let written = chance.bytes(12).toString(chance.oneIn(3) ? "base64url" : "base64");
  if (chance.oneIn(3)) written = written.replace(/=+$/, "");
  if (chance.oneIn(3)) written += chance.of(["\n", "\r\n", "=", "==", " "]);
  if (chance.oneIn(4)) {
    const at = chance.below(written.length + 1);
    written = written.slice(0, at) + chance.of(["\n", "\r\n", " ", "\t", "\v"]) + written.slice(at);
  }
  return written;
}

function enginePacket(chance) {
  if (chance.oneIn(3)) return `b${base64(chance)}`;
  return chance.of([..."00112233444444445566", chance.of(["7", "c", " ", ""])]) + text(chance);
}

function payload(chance) {
  if (chance.oneIn(4000)) return "4\x1e".repeat(1020 + chance.below(10)) + "4";
  return [enginePacket(chance), ...chance.list(4, () => enginePacket(chance))].join("\x1e");
}

function jsonText(chance) {
  if (chance.oneIn(4)) return `"${chance.of(NAMES)}"`;
  if (chance.oneIn(40)) return `"${"n".repeat(120 + chance.below(16))}"`;
  return JSON.stringify(text(chance));
}

function jsonKeys(chance) {
  const count = 250 + chance.below(12);
  return `{${Array.from({ length: count }, (_, i) => `"k${i}":0`).join(",")}}`;
}

function jsonNest(chance) {
  const depth = 26 + chance.below(8);
  return `${"[".repeat(depth)}1${"]".repeat(depth)}`;
}

// places: the placeholders that are still to be put somewhere.
function json(chance, depth, places) {
  if (places.length > 0 && chance.oneIn(3)) return places.pop();
  if (chance.oneIn(400)) return jsonKeys(chance);
  if (chance.oneIn(300)) return jsonNest(chance);
  const space = chance.oneIn(12) ? chance.of([" ", "\n", "\t", "\r"]) : "";
  switch (depth > 3 ? chance.below(4) : chance.below(6)) {
    case 0:
      return space + jsonText(chance);
    case 1:
      return chance.of(NUMBERS) + space;
    case 2:
      return chance.of(["true", "false", "null"]);
    case 3:
      return String(chance.below(1000));
    case 4:
      return `[${chance.list(3, () => json(chance, depth + 1, places)).join(`,${space}`)}]`;
    default:
      return `{${chance.list(3, () => `${jsonText(chance)}:${space}${json(chance, depth + 1, places)}`).join(",")}${space}}`;
  }
}

function placeholder(chance, num) {
  if (chance.oneIn(30)) num = chance.of([0, 1, 2, "1.0", "0.5", "-0", "-1", "1e0", '"0"', "null", "99"]);
  return chance.oneIn(2) ? `{"_placeholder":true,"num":${num}}` : `{"num":${num}, "_placeholder" : true}`;
}

function jsonArray(chance, first, places) {
  const items = [first, ...chance.list(3, () => json(chance, 1, places)), ...places.splice(0)];
  return `[${items.filter((item) => item !== null).join(",")}]`;
}

function data(chance, type, places) {
  if (type === "1") return "";
  if (type === "2" || type === "5") return jsonArray(chance, jsonText(chance), places);
  if (type === "3" || type === "6") return jsonArray(chance, null, places);
  return chance.oneIn(6) ? json(chance, 0, places) : `{${jsonText(chance)}:${json(chance, 1, places)}}`;
}

function socketio(chance) {
  const type = chance.of([..."00122222233345555555666"]);
  const binary = type === "5" || type === "6";
  const count = chance.oneIn(20) ? chance.below(13) : 1 + chance.below(3);
  const places = binary ? Array.from({ length: count }, (_, i) => placeholder(chance, i)) : [];
  if (binary && chance.oneIn(30)) places.pop();
  if (binary && chance.oneIn(30)) places.push(placeholder(chance, 0));
  const written = chance.oneIn(30) ? chance.of([`${count}.0`, `0${count}`, `+${count}`, ` ${count}`, `0x${count}`, `${count}e0`, ""]) : count;
  const head = binary ? `${written}${chance.oneIn(40) ? "" : "-"}` : "";
  const name = chance.oneIn(60) ? "n".repeat(120 + chance.below(16)) : text(chance).replaceAll(",", "");
  const namespace = chance.oneIn(3) ? `/${name}${chance.oneIn(8) ? "" : ","}` : "";
  const id = chance.oneIn(3) ? String(chance.below(100)) : chance.oneIn(20) ? chance.of([...NUMBERS, ...SPACES, "1 2"]) : "";
  return type + head + namespace + id + (chance.oneIn(20) ? "" : data(chance, type, places));
}

// One to four small changes.
function changed(chance, whole) {
  let units = whole;
  for (let left = 1 + chance.below(4); left > 0; left--) {
    const at = chance.below(units.length + 1), len = 1 + chance.below(chance.oneIn(4) ? 12 : 2);
    const before = units.slice(0, at), after = units.slice(at);
    switch (chance.below(6)) {
      case 0:
        units = before + chance.of(MARKS) + after;
        break;
      case 1:
        units = before + after.slice(len);
        break;
      case 2:
        units = before + after.slice(0, len) + after;
        break;
      case 3:
        units = before + chance.of(MARKS) + after.slice(1);
        break;
      case 4:
        units = before + chance.of(BAD) + after;
        break;
      default:
        units = chance.oneIn(3) ? before : after + before;
    }
  }
  return units;
}

function made(chance, grammar) {
  const whole = grammar(chance);
  return Buffer.from(chance.oneIn(3) ? changed(chance, whole) : whole); // half a surrogate pair becomes U+FFFD
}

// Also bytes that are not UTF-8, because a polling payload may be anything.
function spoilt(chance, bytes) {
  if (bytes.length > 0 && chance.oneIn(8)) bytes[chance.below(bytes.length)] = 0x80 | chance.below(128);
  return bytes;
}

/** For each parser: a random input {kind, bytes}. */
export const makers = {
  "engine.io packet": (chance) => (chance.oneIn(10) ? { kind: "b", bytes: chance.bytes(12) } : { kind: "t", bytes: made(chance, enginePacket) }),
  "engine.io payload": (chance) => ({ kind: "l", bytes: spoilt(chance, made(chance, payload)) }),
  "socket.io": (chance) => ({ kind: "s", bytes: made(chance, socketio) }),
};
