// SPDX-License-Identifier: Apache-2.0
// WebSocket: a client's frames for the receiver of ws and for Stoa's. What is understood: ["text", …], ["binary", …], ["ping", …],
// ["pong", …], and at last ["close", code, reason] or ["fail", code]. Payloads are bytes, written as Latin-1.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { cut } from "./cut.mjs";

const scenes = createRequire(new URL("../scenes/package.json", import.meta.url));
const ws = scenes.resolve("ws").replace(/[^/]*$/, "lib/");
const Receiver = scenes(`${ws}receiver.js`);
const { kStatusCode } = scenes(`${ws}constants.js`);
const MESSAGE_MAX = 4096, TAIL = Buffer.from([0, 0, 255, 255]);

const inflate = (pieces, finishFlush) => inflateRawSync(Buffer.concat(pieces), { finishFlush, maxOutputLength: MESSAGE_MAX + 1 });

// The same as ws does with zlib, but synchronously: it inflates a message when its last frame has arrived.
class Inflate {
  #pieces = [];

  decompress(data, isLast, done) {
    this.#pieces.push(data);
    if (!isLast) return done(null, Buffer.alloc(0));
    let message;
    try {
      message = inflate([...this.#pieces.splice(0), TAIL], constants.Z_SYNC_FLUSH);
    } catch (error) {
      return done(Object.assign(error, { [kStatusCode]: error.code === "ERR_BUFFER_TOO_LARGE" ? 1009 : 1007 }));
    }
    done(null, message);
  }
}

Error.stackTraceLimit = 0; // ws creates an Error for each violation

function receive(bytes, compresses) {
  const value = [];
  const receiver = new Receiver({ isServer: true, maxPayload: MESSAGE_MAX, extensions: compresses ? { "permessage-deflate": new Inflate() } : {} });
  const text = (payload) => payload.toString("latin1");
  receiver.on("message", (payload, isBinary) => value.push([isBinary ? "binary" : "text", text(payload)]));
  receiver.on("ping", (payload) => value.push(["ping", text(payload)]));
  receiver.on("pong", (payload) => value.push(["pong", text(payload)]));
  receiver.on("conclude", (code, reason) => value.push(["close", code, text(reason)]));
  receiver.on("error", () => {});
  receiver._write(Buffer.from(bytes), undefined, (error) => error && value.push(["fail", error[kStatusCode] ?? 0]));
  return value;
}

const ENDING = ["fail", "close"];
const isControl = (item) => item?.[0] === "ping" || item?.[0] === "pong";
const ends = (item) => ENDING.includes(item?.[0]);

export const same = (theirs, ours) => JSON.stringify(theirs) === JSON.stringify(ours);

function parting({ bytes, theirs, ours }) {
  const at = Math.max(0, [...theirs, null].findIndex((item, i) => JSON.stringify(item) !== JSON.stringify(ours[i])));
  return { bytes, at, their: theirs[at], our: ours[at] };
}

// The frames in the bytes: {at, fin, rsv, opcode, masked, width, length, payload}, the last one as far as it goes.
function frames(bytes) {
  const found = [];
  for (let at = 0; at + 1 < bytes.length; ) {
    const first = bytes[at], second = bytes[at + 1], short = second & 127, width = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (at + 2 + width > bytes.length) break;
    const length = width === 0 ? short : width === 2 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
    const masked = second >= 128, begin = at + 2 + width + (masked ? 4 : 0), key = bytes.subarray(begin - 4, begin);
    const payload = Buffer.from(bytes.subarray(begin, begin + length));
    if (masked) payload.forEach((byte, i) => (payload[i] = byte ^ key[i % 4]));
    found.push({ at, fin: first >= 128, rsv: first & 0x70, opcode: first & 15, masked, width, length, payload });
    at = begin + length;
  }
  return found;
}

const shortest = ({ width, length }) => width === 0 || (width === 2 ? length > 125 : length > 65535);

// Does ws fail alike once more has come? An empty frame's rest behind a first byte; the rest of the frame.
function failsLater({ bytes, theirs, ours, kind }) {
  const last = frames(bytes).at(-1);
  const wants = last ? Math.max(0, last.length - last.payload.length) : 0;
  const rests = [Buffer.from([0x80, 0, 0, 0, 0]), Buffer.from([0x80, 0, 0, 0]), Buffer.alloc(Math.min(wants, 70_000) + 4), Buffer.alloc(14)];
  return rests.some((rest) => same(receive(Buffer.concat([bytes, rest]), kind === "c"), ours)) && theirs.length < ours.length;
}

// The messages in the bytes, the last one as far as it goes: {isText, compressed, whole, payload, announced}.
function messages(bytes) {
  const found = [];
  for (const { opcode, rsv, fin, length, payload } of frames(bytes).filter((frame) => frame.opcode < 8)) {
    if (opcode > 0 || (found.at(-1)?.whole ?? true)) found.push({ isText: opcode === 1, compressed: rsv === 0x40, payload: Buffer.alloc(0), announced: 0 });
    const message = found.at(-1);
    message.announced += length;
    message.payload = Buffer.concat([message.payload, payload]);
    message.whole = fin && payload.length === length;
  }
  return found;
}

function succeeds(call) {
  try {
    call();
    return true;
  } catch {
    return false;
  }
}

// Is a block's end there, behind the last final block? Then any block may follow.
function isWhole(bytes) {
  const { buffer, engine } = inflateRawSync(bytes, { info: true, finishFlush: constants.Z_SYNC_FLUSH });
  if (engine.bytesWritten < bytes.length) return isWhole(bytes.subarray(engine.bytesWritten));
  if (succeeds(() => inflate([bytes], constants.Z_FINISH))) return true; // with the last byte
  return [[1, 0, 0, 255, 255], [3, 0]].every((block) => inflate([bytes, Buffer.from(block)], constants.Z_FINISH).equals(buffer));
}

const endsEarly = (bytes) => inflateRawSync(bytes, { info: true, finishFlush: constants.Z_SYNC_FLUSH }).engine.bytesWritten < bytes.length;

// zlib waits for more of it, and says nothing.
const isCut = ({ compressed, payload }) => compressed && !succeeds(() => assert.ok(isWhole(Buffer.concat([payload, TAIL]))));

// Is it already certain that it is refused?
function isSpoilt({ isText, compressed, payload }) {
  let text = payload;
  if (compressed && !succeeds(() => (text = inflate([payload], constants.Z_SYNC_FLUSH)))) return true;
  if (text.length > MESSAGE_MAX) return true;
  return isText && !succeeds(() => new TextDecoder("utf-8", { fatal: true }).decode(text, { stream: true }));
}

// docs/wire.md lists each.
export const differences = [
  {
    name: "length-not-shortest",
    example: Buffer.from([0x81, 0xfe, 0, 1, 0, 0, 0, 0, 0x61]),
    is(seen) {
      const { our } = parting(seen);
      return our?.[0] === "fail" && our[1] === 1002 && frames(seen.bytes).some((frame) => !shortest(frame));
    },
  },
  {
    name: "close-reason-not-utf8",
    example: Buffer.from([0x88, 0x83, 0, 0, 0, 0, 3, 0xe8, 0xff]),
    is(seen) {
      const { their, our } = parting(seen);
      return our?.[0] === "fail" && our[1] === 1002 && their?.[0] === "fail" && their[1] === 1007 && frames(seen.bytes).some(({ opcode }) => opcode === 8);
    },
  },
  {
    name: "message-refused-early",
    example: Buffer.from([0x01, 0x81, 0, 0, 0, 0, 0xff]),
    is(seen) {
      const { their, our } = parting(seen);
      return our?.[0] === "fail" && [1007, 1009].includes(our[1]) && (their === undefined || ends(their) || isControl(their)) && messages(seen.bytes).some(isSpoilt);
    },
  },
  {
    name: "deflate-cut",
    example: Buffer.from([0xc2, 0x80, 0, 0, 0, 0]),
    kind: "c",
    is: (seen) => parting(seen).our?.[0] === "fail" && parting(seen).our[1] === 1007 && messages(seen.bytes).some(isCut),
  },
  {
    name: "deflate-behind-a-final-block", // is read as what it is, and not dropped
    example: Buffer.from([0xc1, 0x90, 0, 0, 0, 0, 1, 2, 0, 0xfd, 0xff, 0x48, 0x65, 0, 3, 0, 0xfc, 0xff, 0x6c, 0x6c, 0x6f, 0]),
    kind: "c",
    is(seen) {
      const { their, our } = parting(seen);
      const goesOn = messages(seen.bytes).some(({ compressed, payload }) => compressed && succeeds(() => assert.ok(endsEarly(Buffer.concat([payload, TAIL])))));
      return goesOn && our !== undefined && (our[0] === "fail" || (our[0] === their?.[0] && our[1].startsWith(their[1])));
    },
  },
  {
    name: "compressed-frame-long", // what it inflates to is bounded, not what was sent
    example: Buffer.from([0xc2, 0xfe, 0x10, 0x01, 0, 0, 0, 0]),
    kind: "c",
    is: (seen) => parting(seen).their?.[1] === 1009 && messages(seen.bytes).some(({ compressed, announced }) => compressed && announced > MESSAGE_MAX),
  },
  {
    name: "refused-when-the-frame-is-whole",
    example: Buffer.from([0x88, 0x81, 0, 0, 0, 0]),
    is({ bytes, theirs, ours }) {
      const last = frames(bytes).at(-1);
      const code = last && (last.opcode === 8 && last.length === 1 ? 1002 : 1009);
      return theirs.length === ours.length + 1 && theirs.at(-1)[1] === code && (code === 1002 || bytes.length < last.at + 6 + last.width);
    },
  },
  { name: "told-before-the-frame-is-whole", example: Buffer.from([0x83]), is: (seen) => parting(seen).our?.[0] === "fail" && parting(seen).their === undefined && failsLater(seen) },
];

// ---- inputs

const TEXTS = ["", "a", "hello", "é€😀", "\u0000", "ß".repeat(20)].map((text) => Buffer.from(text));
const LONG = [125, 126, 200, 4096, 4097].map((length) => Buffer.alloc(length, "x"));
const SPOILT = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0x80]].map((bytes) => Buffer.from(bytes));
const CODES = [0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1011, 1012, 1014, 1015, 1016, 2999, 3000, 4999, 5000, 65535];
const DEFLATED = ["f248cdc9c90700", "000500faff48656c6c6f00", "f348cdc9c9070000", "f248050000 00ffffcac9c90700", "00", "", "0300", "ffffffff", "4a44 0300", "0600", "000500fbff48656c6c6f00", "f248cd"].map((hex) =>
  Buffer.from(hex.replaceAll(" ", ""), "hex"));

const deflate = (text) => deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -TAIL.length);

function frame(chance, first, payload) {
  const lied = chance.oneIn(60), width = lied ? chance.of([0, 2, 8]) : payload.length < 126 ? 0 : payload.length < 65536 ? 2 : 8;
  const length = chance.oneIn(150) ? chance.of([125, 126, 4096, 4097, 65535, 65536, 2 ** 53]) : payload.length;
  const masked = !chance.oneIn(80), head = Buffer.alloc(2 + width);
  head[0] = first;
  head[1] = (masked ? 128 : 0) | (width === 0 ? length & 127 : width === 2 ? 126 : 127);
  if (width === 2) head.writeUInt16BE(length & 65535, 2);
  if (width === 8) head.writeBigUInt64BE(BigInt(length) | (chance.oneIn(20) ? 1n << 63n : 0n), 2);
  if (!masked) return Buffer.concat([head, payload]);
  const key = chance.oneIn(3) ? Buffer.alloc(4) : Buffer.from([chance.below(256), chance.below(256), chance.below(256), chance.below(256)]);
  return Buffer.concat([head, key, payload.map((byte, i) => byte ^ key[i % 4])]);
}

function payloadOf(chance, compressed) {
  if (compressed && !chance.oneIn(3)) return deflate(chance.of(chance.oneIn(40) ? [...LONG, ...SPOILT] : TEXTS));
  if (compressed) return chance.oneIn(3) ? chance.bytes(20) : chance.of(DEFLATED);
  if (chance.oneIn(40)) return chance.of(LONG);
  return chance.oneIn(12) ? chance.of(SPOILT) : chance.oneIn(4) ? chance.bytes(12) : chance.of(TEXTS);
}

function control(chance) {
  const opcode = chance.oneIn(8) ? 8 : chance.of([9, 10]);
  let payload = chance.oneIn(20) ? Buffer.alloc(chance.of([124, 125, 126, 200]), 97) : chance.bytes(6);
  if (opcode === 8 && !chance.oneIn(6)) {
    const code = Buffer.alloc(2);
    code.writeUInt16BE(chance.of(CODES));
    payload = Buffer.concat([code, chance.oneIn(3) ? payloadOf(chance, false).subarray(0, 123) : Buffer.alloc(0)]);
  }
  return frame(chance, (chance.oneIn(40) ? 0 : 128) | opcode, payload);
}

function message(chance, compresses) {
  const compressed = compresses && chance.oneIn(2), opcode = chance.oneIn(40) ? chance.of([0, 3, 7, 11, 15]) : chance.of([1, 1, 2]);
  const payload = payloadOf(chance, compressed), count = chance.oneIn(2) ? 1 : 1 + chance.below(4), made = [];
  for (let i = 0, at = 0; i < count; i++) {
    const end = i === count - 1 ? payload.length : at + chance.below(payload.length - at + 1);
    const rsv = (i === 0 && compressed) || chance.oneIn(200) ? chance.of(compressed ? [0x40] : [0x40, 0x20, 0x10]) : 0;
    const wrong = chance.oneIn(80);
    made.push(frame(chance, ((i === count - 1) !== wrong ? 128 : 0) | rsv | (i === 0 ? opcode : 0), payload.subarray(at, end)));
    if (chance.oneIn(4)) made.push(control(chance));
    at = end;
  }
  return Buffer.concat(made);
}

/** A few messages, some of them corrupted or cut off. */
function make(chance, compresses) {
  let bytes = Buffer.concat([message(chance, compresses), ...chance.list(3, () => (chance.oneIn(3) ? control(chance) : message(chance, compresses)))]);
  if (chance.oneIn(8)) bytes = bytes.subarray(0, chance.below(bytes.length + 1));
  if (chance.oneIn(6) && bytes.length > 0) bytes[chance.below(Math.min(bytes.length, 40))] = chance.below(256);
  return bytes;
}

const parserOf = (kind) => ({
  kind,
  same,
  differences: differences.filter((difference) => (difference.kind ?? kind) === kind),
  make: (chance) => make(chance, kind === "c"),
  understand: (bytes) => ({ value: receive(bytes, kind === "c"), frames: cut(bytes) }),
});
export const plain = parserOf("w"), compressed = parserOf("c");
