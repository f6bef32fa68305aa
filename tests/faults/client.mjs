// SPDX-License-Identifier: Apache-2.0
// A Socket.IO 5 client over a bare WebSocket. The load, not a library, decides when to reconnect and what to repeat, and
// writes everything into the history.

import WebSocket from "ws";
import { until } from "./server.mjs";

export class Client {
  /** ackMs: without an answer by then, the send is unknown. silentMs: if by then a send has no answer and its connection has not ended, it is a
   * violation. followsEpochs: on an epoch that does not continue the cursor's, it asks again, as after a promotion that lost events. */
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
    if (this.asking.has(payload.channelId)) return; // the answer will have it
    const cursor = this.cursors.get(payload.channelId);
    if (cursor && this.followsEpochs && payload.epoch !== cursor.epoch && payload.seq !== cursor.seq + 1) this.#askAgain(payload.channelId);
    else this.#take(name, payload, "live");
  }

  /** A new epoch that does not continue the known one: only the server can say which old events remain. */
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

  /** The connection has ended: requests without an answer are unknown. */
  #forget() {
    for (const answer of this.acks.values()) answer(null);
    this.acks.clear();
  }

  /** The acknowledgement; null: it is unknown whether the message is stored. */
  ask(event, ...args) {
    return this.#ask(event, args, () => {});
  }

  /** now: called with the acknowledgement before later packets of the same read are handled. */
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

  /** Breaks the connection while the server handles this client's joins. */
  async breakOff(channels, when) {
    await this.hangUp();
    await this.connect();
    const joins = channels.map((channel) => this.join(channel));
    if (when === "halfway") await joins[0];
    else if (when > 0) await new Promise((resolve) => setTimeout(resolve, when)); // the delay that the trouble sets
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
