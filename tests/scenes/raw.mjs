// SPDX-License-Identifier: Apache-2.0
// Raw bytes and frames, for what no correct client sends.
import net from "node:net";
import { WebSocket } from "ws";
import { until } from "./harness.mjs";

/** A WebSocket whose frames are kept in order: text as strings, binary as Buffers. */
export class Wire {
  frames = [];
  closed = null; // {code, reason}, or {status} of a refused handshake
  #taken = 0;

  constructor(owner, url, options = {}) {
    this.socket = new WebSocket(url.replace(/^http/, "ws"), { perMessageDeflate: false, ...options });
    this.socket.on("message", (bytes, isBinary) => this.frames.push(isBinary ? bytes : bytes.toString()));
    this.socket.on("unexpected-response", (request, response) => {
      this.closed = { status: response.statusCode };
      request.destroy();
    });
    this.socket.on("error", () => {});
    this.socket.on("close", (code, reason) => (this.closed ??= { code, reason: reason.toString() }));
    owner.after(() => this.socket.terminate());
  }

  send(...frames) {
    for (const frame of frames) this.socket.send(frame);
    return this;
  }

  opened() {
    return until("an open WebSocket", () => this.socket.readyState === WebSocket.OPEN || this.#overTooSoon());
  }

  /** The next frame that was not taken yet. */
  async next(deadline_ms) {
    await until("a frame", () => this.frames.length > this.#taken || this.#overTooSoon(), deadline_ms);
    return this.frames[this.#taken++];
  }

  /** The next frame but pings of Engine.IO. */
  async nextButPing() {
    for (;;) {
      const frame = await this.next();
      if (frame !== "2") return frame;
    }
  }

  /** How it was closed, once it is. */
  end(deadline_ms) {
    return until("the close of the WebSocket", () => this.closed, deadline_ms);
  }

  #overTooSoon() {
    if (this.closed) throw new Error(`closed: ${JSON.stringify(this.closed)}`);
    return false;
  }
}

/** Engine.IO's two transports at a path, by hand. */
export class Engine {
  constructor(server, path) {
    this.base = `${server.url}${path}`;
  }

  url(query) {
    return `${this.base}?${new URLSearchParams(query)}`;
  }

  async request(query, options = {}) {
    const response = await fetch(this.url(query), options);
    return { status: response.status, headers: response.headers, body: await response.text() };
  }

  /** A new polling session: its open packet. */
  async handshake() {
    const { body } = await this.request({ EIO: 4, transport: "polling" });
    return JSON.parse(body.slice(1));
  }

  poll(sid, options) {
    return this.request({ EIO: 4, transport: "polling", sid }, options);
  }

  push(sid, body, headers) {
    return this.request({ EIO: 4, transport: "polling", sid }, { method: "POST", body, headers });
  }

  websocket(owner, query = {}, options) {
    return new Wire(owner, this.url({ EIO: 4, transport: "websocket", ...query }), options);
  }

  /** A WebSocket of an own session, its open packet taken. */
  async session(owner) {
    const wire = this.websocket(owner);
    await wire.next();
    return wire;
  }

  /** A WebSocket that has joined the session of a polling transport. */
  async upgrade(owner, sid) {
    const wire = this.websocket(owner, { sid });
    await wire.opened();
    wire.send("2probe");
    await wire.next();
    return wire.send("5");
  }
}

const exactly = (bytes, len) => (bytes.length < len ? null : { value: bytes.subarray(0, len), len });

// A body in chunks; null: more of it is to come.
function chunks(bytes) {
  const parts = [];
  for (let at = 0; ; ) {
    const line = bytes.indexOf("\r\n", at), len = parseInt(bytes.toString("latin1", at, line), 16);
    if (line < 0 || bytes.length < line + 2 + len + 2) return null;
    parts.push(bytes.subarray(line + 2, line + 2 + len));
    at = line + 2 + len + 2;
    if (len === 0) return { value: Buffer.concat(parts), len: at };
  }
}

/** One connection, byte by byte: answers of HTTP and frames of a WebSocket as they come, and the end. */
export class Line {
  #come = Buffer.alloc(0);
  over = false;

  constructor(owner, port) {
    this.socket = net.connect(port, "127.0.0.1");
    this.socket.on("data", (bytes) => (this.#come = Buffer.concat([this.#come, bytes])));
    this.socket.on("error", () => {});
    this.socket.on("close", () => (this.over = true));
    this.socket.on("end", () => (this.over = true));
    owner.after(() => this.socket.destroy());
  }

  send(bytes) {
    this.socket.write(bytes);
    return this;
  }

  // Waits until read(bytes) returns a value: {value, len}. null: the connection ended before.
  async #take(what, read) {
    const taken = await until(what, () => read(this.#come) ?? (this.over ? { value: null, len: 0 } : null));
    this.#come = this.#come.subarray(taken.len);
    return taken.value;
  }

  /** {status, type, closes, body} of the next answer. */
  answer() {
    return this.#take("an answer", (bytes) => {
      const text = bytes.toString("latin1"), end = text.indexOf("\r\n\r\n") + 4;
      if (end < 4) return null;
      const header = (name) => text.slice(0, end).match(new RegExp(`^${name}: *(.*?)\r$`, "im"))?.[1];
      const body = header("transfer-encoding") ? chunks(bytes.subarray(end)) : exactly(bytes.subarray(end), Number(header("content-length") ?? 0));
      if (!body) return null;
      if (header("content-encoding")) body.value = `in ${header("content-encoding")}`;
      const value = { status: Number(text.split(" ", 2)[1]), type: header("content-type"), closes: header("connection")?.toLowerCase() === "close" };
      return { value: { ...value, body: body.value.toString() }, len: end + body.len };
    });
  }

  /** The next frame: a text, a Buffer, or {code} of a Close. */
  frame() {
    return this.#take("a frame", (bytes) => {
      if (bytes.length < 2) return null;
      const long = bytes[1] === 126, start = long ? 4 : 2;
      if (bytes.length < start) return null;
      const end = start + (long ? bytes.readUInt16BE(2) : bytes[1]);
      if (bytes.length < end) return null;
      const payload = bytes.subarray(start, end);
      const values = { 1: () => payload.toString(), 2: () => payload, 8: () => ({ code: payload.length > 1 ? payload.readUInt16BE(0) : 1005 }) };
      return { value: values[bytes[0] & 15](), len: end };
    });
  }
}

/** A frame as a client sends it, its mask all zeros. */
export function clientFrame(message, opcode = Buffer.isBuffer(message) ? 2 : 1) {
  const payload = Buffer.from(message), long = payload.length > 125;
  const head = Buffer.from([0x80 | opcode, 0x80 | (long ? 126 : payload.length), ...(long ? [payload.length >> 8, payload.length & 255] : []), 0, 0, 0, 0]);
  return Buffer.concat([head, payload]);
}
