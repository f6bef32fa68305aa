// Bytes and frames, for what no well-behaved client does.
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
