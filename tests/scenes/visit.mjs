// SPDX-License-Identifier: Apache-2.0
// An Engine.IO client, byte by byte, that notes all it receives.
import { until } from "./harness.mjs";
import { Line, clientFrame } from "./raw.mjs";

const HANDSHAKE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

// Where the reference's Close has no code, Stoa's has 1000 (docs/wire.md, close-code).
const CODES = { 1000: "", 1005: "", undefined: "without a word" };

/** One client at one path of a server. It notes all it receives, with SID for its session id and ID for a socket's. */
export class Visit {
  seen = [];
  #owner;
  #port;
  #path;
  #sid = "SID";

  constructor(owner, port, path) {
    this.#owner = owner;
    this.#port = port;
    this.#path = path;
  }

  #note(what) {
    this.seen.push(what.replaceAll(this.#sid, "SID").replace(/\{"sid":"[^"]*"\}/, '{"sid":"ID"}'));
  }

  /** Sends a request without waiting for the answer. */
  ask(method, query, { body = "", headers = "", length = Buffer.byteLength(body) } = {}) {
    const head = `${method} ${this.#path}${query.replaceAll("SID", this.#sid)} HTTP/1.1\r\nHost: a\r\n${headers}${method === "GET" ? "" : `Content-Length: ${length}\r\n`}\r\n`;
    return new Line(this.#owner, this.#port).send(head + body);
  }

  async answer(line) {
    const answer = await line.answer();
    if (answer === null) this.#note("gone");
    else if (answer.body.startsWith("0{")) this.#note("open");
    else this.#note([answer.status, answer.type, answer.closes && "closes", answer.body].filter(Boolean).join(" "));
    return answer;
  }

  async request(...arguments_) {
    return this.answer(this.ask(...arguments_));
  }

  /** Waits until earlier messages have arrived: the answer comes after them. */
  async heard() {
    await this.ask("GET", "?transport=nothing").answer();
  }

  /** A polling session. */
  async open() {
    const { body } = await this.ask("GET", "?EIO=4&transport=polling").answer();
    const { sid, ...rest } = JSON.parse(body.slice(1));
    this.#sid = sid;
    this.#note(`open ${JSON.stringify(rest)}`);
  }

  poll(options) {
    return this.request("GET", "?EIO=4&transport=polling&sid=SID", options);
  }

  /** A poll that waits. */
  async waiting() {
    const line = this.ask("GET", "?EIO=4&transport=polling&sid=SID");
    await this.heard();
    return line;
  }

  push(body, options) {
    return this.request("POST", "?EIO=4&transport=polling&sid=SID", { body, ...options });
  }

  /** A WebSocket, or the refusal of one. */
  async websocket(query = "?EIO=4&transport=websocket&sid=SID", headers = "") {
    const line = this.ask("GET", query, { headers: HANDSHAKE + headers });
    const { status, body } = await line.answer();
    this.#note(status === 101 ? "opened" : `${status} ${body}`);
    return line;
  }

  say(line, ...messages) {
    line.send(Buffer.concat(messages.map((message) => clientFrame(message))));
  }

  /** Takes that many frames, or fewer up to a Close. */
  async frames(line, count = 1) {
    for (; count > 0; count--) {
      const frame = await line.frame();
      if (frame === null || frame.code) return this.#note(`closed ${CODES[frame?.code] ?? frame.code}`.trim());
      if (Buffer.isBuffer(frame)) this.#note(`bytes ${frame.toString("hex")}`);
      else this.#note(frame.startsWith("0{") ? "open" : frame);
    }
  }

  /** A WebSocket's own session; its open packet is taken. */
  async session(query = "?EIO=4&transport=websocket") {
    const line = this.ask("GET", query, { headers: HANDSHAKE });
    await line.answer();
    const open = await line.frame();
    this.#sid = JSON.parse(open.slice(1)).sid;
    return line;
  }

  /** Waits until the session no longer exists. */
  async gone() {
    await until("the end of the session", async () => (await this.ask("POST", "?EIO=4&transport=polling&sid=SID", { body: "4a" }).answer()).status === 400);
    await this.poll();
  }
}
