// SPDX-License-Identifier: Apache-2.0
// The parsers of the reference, the Node.js server of tests/scenes, with their results in the form of decode.c.
import { createRequire } from "node:module";

const scenes = createRequire(new URL("../scenes/package.json", import.meta.url));
const server = createRequire(scenes.resolve("socket.io"));
const { Decoder } = server("socket.io-parser");
const { decodePacket, decodePayload } = createRequire(server.resolve("engine.io"))("engine.io-parser");

const TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];
const ATTACHMENT = (i) => Buffer.from([i, 0, 255]);

/** Bytes as decode.c writes them. */
export const asBytes = (buffer) => ({ bytes: buffer.toString("hex") });

function enginePacket({ type, data }) {
  if (type === "error") return null;
  return [TYPES.indexOf(type), Buffer.isBuffer(data) ? asBytes(data) : (data ?? "")];
}

function withoutBuffers(value) {
  if (Buffer.isBuffer(value)) return asBytes(value);
  if (Array.isArray(value)) return Array.from(value, withoutBuffers);
  if (value === null || typeof value !== "object") return value;
  const copy = Object.create(null); // __proto__ is a key like others
  for (const key of Object.keys(value)) copy[key] = withoutBuffers(value[key]);
  return copy;
}

/** {value, attachments}: what a decoder makes of a text and of as many attachments as it then waits for. */
function socketio(text) {
  const decoder = new Decoder();
  const attachments = [];
  let value = null;
  decoder.on("decoded", ({ type, nsp, id, data }) => {
    if (type === 3) data ??= []; // the server applies the acknowledgement to none
    value = { type, nsp, ...(id !== undefined && { id }), ...(data !== undefined && { data: withoutBuffers(data) }) };
  });
  try {
    const packet = decodePacket(`4${text}`); // as it comes from the wire: an empty text is none
    decoder.add(packet.data);
    const binaryType = decoder.reconstructor && Number(text[0]);
    while (decoder.reconstructor && attachments.length < 16) {
      attachments.push(ATTACHMENT(attachments.length));
      decoder.add(attachments.at(-1));
    }
    if (binaryType) value.type = binaryType;
  } catch {
    value = null;
  }
  return { value, attachments };
}

/** By decode.c's kind: an input's frames → {value, frames}, the frames with what the reference then asked for. */
export const reference = {
  t: (frame) => ({ value: enginePacket(decodePacket(frame.toString())), frames: [frame] }),
  b: (frame) => ({ value: enginePacket(decodePacket(frame)), frames: [frame] }),
  l: (body) => ({ value: decodePayload(body.toString()).map(enginePacket), frames: [body] }),
  s: (text) => {
    const { value, attachments } = socketio(text.toString());
    return { value, frames: [text, ...attachments] };
  },
};
