// SPDX-License-Identifier: Apache-2.0
// A Socket.IO 5 client over a bare WebSocket: no library decides when to reconnect or what to repeat; the load does, and
// writes down all that happens.

import WebSocket from "ws";
import { until } from "./server.mjs";

export class Client {
  /** ackMs: then it is unknown. silentMs: a send that is neither answered nor ended with its connection by then is a violation. followsEpochs: an
   * epoch that does not continue the cursor's makes it ask again, as after a promotion that lost events. */
  constructor(history, name, port, { ackMs = 4000, silentMs = 8000, followsEpochs = false } = {}) {
    Object.assign(this, { history, name, port, ackMs, silentMs, followsEpochs, cursors: new Map(), acks: new Map(), nextAck: 0, open: false, asking: new Set() });
  }

  note(type, fields) {
    this.history.push({ t: performance.now(), client: this.name, type, ...fields });
  }

  async connect() {
    this.#forget();
    this.asking.clear();
    const url = `ws://127.0.0.1:${this.port()}/socket.io/?EIO=4&transport=websocket`;
    await new Promise((resolve, reject) => {
      const ws = new WebSocket(url, { handshakeTimeout: 5000, perMessageDeflate: false });
      this.ws = ws;
      ws.on("message", (data) => this.#packet(ws, data.toString(), resolve, reject));
      ws.on("close", (code) => { this.#lost(ws, code); reject(new Error(`closed ${code}`)); });
      ws.on("error", reject);
      setTimeout(() => { reject(new Error("connect timeout")); if (!this.open) ws.terminate(); }, 6000).unref();
    });
  }

  #packet(ws, text, resolve, reject) {
    if (ws !== this.ws) return;
    if (text[0] === "0") ws.send(`40${JSON.stringify({ user: this.name })}`);
    else if (text === "2") ws.send("3");
    else if (text.startsWith("40")) { this.open = true; this.note("connect", {}); resolve(); }
    else if (text.startsWith("44")) reject(new Error(text));
    else if (text.startsWith("42")) this.#event(JSON.parse(text.slice(text.indexOf("["))));
    else if (text.startsWith("43")) {
      const start = text.indexOf("[");
      const id = Number(text.slice(2, start));
      this.acks.get(id)?.(JSON.parse(text.slice(start))[0]);
      this.acks.delete(id);
    }
  }

  #event([name, payload]) {
    if (payload?.seq === undefined) { this.note("event", { name, payload }); return; }
    if (this.asking.has(payload.channelId)) return; // the answer has it
    const cursor = this.cursors.get(payload.channelId);
    if (cursor && this.followsEpochs && payload.epoch !== cursor.epoch && payload.seq !== cursor.seq + 1) this.#askAgain(payload.channelId);
    else this.#take(name, payload, "live");
  }

  /** Another epoch that does not continue ours: what of the old one is still so, only the server can say. */
  async #askAgain(channel) {
    const ws = this.ws;
    this.asking.add(channel);
    while (this.ws === ws && this.open && !(await this.join(channel))?.ok) await new Promise((resolve) => setTimeout(resolve, 100));
  }

  #take(name, payload, how) {
    this.note("recv", { channel: payload.channelId, epoch: payload.epoch, seq: payload.seq, name, content: payload.content, id: payload.id ?? payload.messageId, how });
    this.cursors.set(payload.channelId, { seq: payload.seq, epoch: payload.epoch });
  }

  #lost(ws, code) {
    if (ws !== this.ws) return;
    if (this.open) this.note("disconnect", { code });
    this.open = false;
    this.#forget();
  }

  /** Whatever was asked over a connection that has ended is unknown. */
  #forget() {
    for (const answer of this.acks.values()) answer(null);
    this.acks.clear();
  }

  /** The acknowledgement; null: its fate is unknown. */
  ask(event, ...args) {
    return this.#ask(event, args, () => {});
  }

  /** now: called with the acknowledgement before what came behind it in the same read. */
  #ask(event, args, now) {
    if (!this.open) return Promise.resolve(null);
    const id = this.nextAck++;
    return new Promise((resolve) => {
      this.acks.set(id, (ack) => { now(ack); resolve(ack); });
      this.ws.send(`42${id}${JSON.stringify([event, ...args])}`);
      setTimeout(() => resolve(null), this.ackMs).unref();
      setTimeout(() => { if (this.acks.delete(id)) this.note("silent", { clientId: args[0]?.clientId ?? event }); }, this.silentMs).unref();
    });
  }

  /** The connection breaks while the server works at this one's way back into the channels. */
  async breakOff(channels, when) {
    await this.hangUp();
    await this.connect();
    const joins = channels.map((channel) => this.join(channel));
    if (when === "halfway") await joins[0];
    else if (when > 0) await new Promise((resolve) => setTimeout(resolve, when)); // as the trouble says
    await this.hangUp();
  }

  async hangUp() {
    this.close();
    await until("the connection is down", () => !this.open);
  }

  async join(channel) {
    const since = this.cursors.get(channel);
    return this.#ask("channel:join", [{ channelId: channel, since }], (ack) => { if (ack?.ok) this.#joined(channel, since, ack); });
  }

  #joined(channel, since, ack) {
    this.asking.delete(channel);
    this.note(since ? "rejoin" : "join", { channel, seq: ack.seq });
    if (ack.reset) this.note("reset", { channel, forkSeq: ack.reset.forkSeq, epoch: ack.reset.epoch });
    if (ack.gap) this.note("gap", { channel, ...ack.gap });
    for (const [name, payload] of ack.events ?? []) this.#take(name, payload, "resume");
    if (ack.gap || ack.reset || !since) this.cursors.set(channel, { seq: ack.seq, epoch: ack.epoch });
  }

  close() {
    this.ws?.terminate();
  }
}
