// SPDX-License-Identifier: Apache-2.0
// The SDK: channels that miss nothing, over the official socket.io-client.
//
// What it adds to a Socket.IO socket: every channel's events are handed out strictly by their sequence number, each once;
// after a reconnect the missed tail is fetched; a send is repeated under the same client id until its fate is known.
//
//   import { io } from "socket.io-client";
//   const chat = new Stoa(io, "http://localhost:3000", { auth: { user: "alice" } });
//   chat.on("message:new", (message) => …);
//   await chat.join("lobby");
//   await chat.send("lobby", "hello");

const ACK_TIMEOUT_MS = 10_000;
const RETRY_MIN_MS = 300;
const RETRY_MAX_MS = 10_000;
const LOGGED_EVENTS = ["message:new", "message:updated", "message:deleted", "reaction:changed"];
const PASSING_EVENTS = ["typing", "presence:changed", "channel:joined", "channel:left", "server:maintenance", "server:shutdown"];

/** What the server refused: code and message are the acknowledgement's, retryAfter is in seconds. */
export class Refused extends Error {
  constructor({ code, message, retryAfter }) {
    super(message ?? code);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Node.js 18 has it, but not as a global.
const crypto = globalThis.crypto ?? (await import("node:crypto")).webcrypto;

/** The time, then chance: the server finds those of about the same time in one place. */
function newClientId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Date.now().toString(36).padStart(9, "0") + Array.from(bytes, (byte) => (byte % 36).toString(36)).join("");
}

export class Stoa {
  #handlers = new Map();
  #channels = new Map(); // id → { seq, epoch, ready, ahead: Map(seq → [name, payload]) }
  #again; // the timer of the next attempt after a refusal that says when
  #sending = new Map(); // channel id → the promise of the last send: one at a time keeps their order

  constructor(io, url, { auth, query, ...options } = {}) {
    this.socket = io(url, { auth, query: { recovery: 1, ...query }, randomizationFactor: 0.5, reconnectionDelayMax: 30_000, ...options });
    this.socket.on("connect", () => this.#connected());
    this.socket.on("disconnect", (reason) => this.#tell("state", { state: "offline", reason }));
    this.socket.on("connect_error", (error) => this.#refused(error));
    for (const name of LOGGED_EVENTS) this.socket.on(name, (payload) => this.#receive(name, payload));
    for (const name of PASSING_EVENTS) this.socket.on(name, (payload) => this.#tell(name, payload));
  }

  /** Events: those of the protocol, and "state" {state, reason?}, "gap" {channelId, from, to, reason}, "reset" {channelId, forkSeq}. */
  on(name, handler) {
    if (!this.#handlers.has(name)) this.#handlers.set(name, []);
    this.#handlers.get(name).push(handler);
    return this;
  }

  close() {
    clearTimeout(this.#again);
    this.socket.disconnect();
  }

  /** One request; resolves with the acknowledgement, rejects with Refused or, when its fate is unknown, an Error. */
  async request(event, ...args) {
    const ack = await this.socket.timeout(ACK_TIMEOUT_MS).emitWithAck(event, ...args);
    if (!ack?.ok) throw new Refused(ack?.error ?? { code: "unavailable" });
    return ack;
  }

  /** Follows a channel: its events come from now on, also over reconnects, until leave. */
  async join(channelId) {
    if (!this.#channels.has(channelId)) this.#channels.set(channelId, { seq: -1, epoch: null, ready: false, ahead: new Map() });
    try {
      return await this.#resume(channelId);
    } catch (error) {
      if (error instanceof Refused) this.#channels.delete(channelId);
      throw error;
    }
  }

  async leave(channelId) {
    this.#channels.delete(channelId);
    return this.request("channel:leave", { channelId });
  }

  /**
   * Resolves once the message is stored, with {id, seq, epoch, createdAt}; sends of one channel keep their order. To say the
   * same again after an error, pass the error's clientId: what was stored after all is not stored twice.
   */
  send(channelId, content, { threadId, attachments, clientId = newClientId() } = {}) {
    return this.#inOrder(channelId, () => this.#insist("message:send", { channelId, clientId, content, threadId, attachments }));
  }

  edit(channelId, messageId, content) {
    return this.#inOrder(channelId, () => this.#insist("message:edit", { channelId, clientId: newClientId(), messageId, content }));
  }

  delete(channelId, messageId) {
    return this.#inOrder(channelId, () => this.#insist("message:delete", { channelId, clientId: newClientId(), messageId }));
  }

  react(channelId, messageId, emoji, add = true) {
    return this.#inOrder(channelId, () =>
      this.#insist(add ? "reaction:add" : "reaction:remove", { channelId, clientId: newClientId(), messageId, emoji }));
  }

  typing(channelId, typing) {
    if (this.socket.connected) this.socket.volatile.emit("typing", { channelId, typing });
  }

  #tell(name, payload) {
    for (const handler of this.#handlers.get(name) ?? []) handler(payload);
  }

  // socket.io-client gives up after a refusal. One that says when to come back is no reason to.
  #refused({ message, data }) {
    const wait = !this.socket.active && data?.retryAfter;
    this.#tell("state", { state: this.socket.active || wait ? "connecting" : "refused", reason: message });
    if (wait) this.#again = setTimeout(() => this.socket.connect(), wait * 1000 * (1 + Math.random() / 2));
  }

  #connected() {
    this.#tell("state", { state: "online" });
    // A recovered session got its events before this one; asking all the same costs one small answer a channel.
    for (const channelId of this.#channels.keys()) this.#resumeUntilDone(channelId);
  }

  async #resumeUntilDone(channelId) {
    for (let wait = RETRY_MIN_MS; this.socket.connected && this.#channels.has(channelId); wait = Math.min(wait * 2, RETRY_MAX_MS)) {
      try {
        await this.#resume(channelId);
        return;
      } catch (error) {
        if (error instanceof Refused && error.code !== "unavailable" && error.code !== "rate_limited") {
          this.#channels.delete(channelId);
          this.#tell("channel:left", { channelId, reason: error.code });
          return;
        }
        await pause((error.retryAfter ?? 0) * 1000 + wait * (0.5 + Math.random()));
      }
    }
  }

  async #resume(channelId) {
    const channel = this.#channels.get(channelId);
    const since = channel.epoch === null ? undefined : { seq: channel.seq, epoch: channel.epoch };
    channel.ready = false;
    const ack = await this.request("channel:join", { channelId, since });
    if (this.#channels.get(channelId) !== channel) return ack;
    for (const [seq, [, { epoch }]] of channel.ahead) if (epoch !== ack.epoch) channel.ahead.delete(seq);
    if (ack.reset) this.#tell("reset", { channelId, forkSeq: ack.reset.forkSeq });
    if (ack.gap) this.#tell("gap", { channelId, ...ack.gap });
    if (channel.epoch === null || ack.reset || ack.gap) channel.seq = ack.seq - (ack.events?.length ?? 0);
    for (const [name, payload] of ack.events ?? []) {
      if (payload.seq > channel.seq) this.#handOut(channel, name, payload);
    }
    channel.seq = Math.max(channel.seq, ack.seq);
    channel.epoch = ack.epoch;
    channel.ready = true;
    this.#drain(channel);
    return ack;
  }

  #receive(name, payload) {
    const channel = this.#channels.get(payload.channelId);
    if (!channel) return;
    const forked = channel.epoch !== null && payload.epoch !== channel.epoch && payload.seq !== channel.seq + 1;
    if (channel.ready && forked) this.#resumeUntilDone(payload.channelId); // what we have may be none of its log
    if (forked || payload.seq <= channel.seq) return;
    channel.ahead.set(payload.seq, [name, payload]);
    if (!channel.ready) return;
    this.#drain(channel);
    if (channel.ahead.size > 0) this.#resumeUntilDone(payload.channelId); // a number is missing: never skip it
  }

  #drain(channel) {
    for (const seq of channel.ahead.keys()) if (seq <= channel.seq) channel.ahead.delete(seq);
    for (let next; (next = channel.ahead.get(channel.seq + 1)); ) {
      channel.ahead.delete(channel.seq + 1);
      this.#handOut(channel, ...next);
    }
  }

  #handOut(channel, name, payload) {
    channel.seq = payload.seq;
    channel.epoch = payload.epoch;
    this.#tell(name, payload);
  }

  #inOrder(channelId, work) {
    const turn = (this.#sending.get(channelId) ?? Promise.resolve()).then(work, work);
    this.#sending.set(channelId, turn);
    return turn;
  }

  // Unknown fate: again with the same client id, which the server stores at most once.
  async #insist(event, args) {
    for (let wait = RETRY_MIN_MS; ; wait = Math.min(wait * 2, RETRY_MAX_MS)) {
      try {
        return await this.request(event, args);
      } catch (error) {
        // After a reconnect a send may come before the join that is on its way.
        const joining = error.code === "not_joined" && this.#channels.has(args.channelId);
        error.clientId = args.clientId;
        if (error instanceof Refused && error.code !== "unavailable" && !joining) throw error;
        if (!this.socket.active) throw error;
        await pause((error.retryAfter ?? 0) * 1000 + wait * (0.5 + Math.random()));
      }
    }
  }
}
