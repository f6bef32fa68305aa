// SPDX-License-Identifier: Apache-2.0
// The load: some clients that talk in some channels, with retries under the same id, ids used twice for different
// messages, edits, deletes and reconnects. Everything is drawn from a fixed seed.

import { AWAY_MS, beliefs } from "./checker.mjs";
import { Client } from "./client.mjs";
import { sleep, until } from "./server.mjs";

const BACK_MS = 10_000;
const DELIVERED_MS = 2500; // 2 s are promised if the bus lost the event

/** mulberry32: a small generator with the same results everywhere. */
export function randomFrom(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export class Load {
  /** loyal: each client talks in one channel only, so that a stalled channel delays no other client. */
  constructor(server, { clients = 8, channels = 3, rate = 60, reconnects = 0.01, loyal = false, seed = 20261125, ...client } = {}) {
    this.history = [];
    this.random = randomFrom(seed);
    this.channels = Array.from({ length: channels }, (_, i) => `room-${i}`);
    Object.assign(this, { server, rate, reconnects, loyal, running: false, ok: 0, seed, gone: new Set(), willGo: 0, hushed: new Set(), speaking: new Set() });
    this.clients = Array.from({ length: clients }, (_, i) => new Client(this.history, `user-${i}`, () => server.port, client));
  }

  async start() {
    this.running = true;
    await this.clients[0].connect();
    for (const channel of this.channels) await this.clients[0].join(channel);
    await Promise.all(this.clients.slice(1).map(async (client) => {
      await client.connect();
      for (const channel of this.channels) await client.join(channel);
    }));
    this.people = this.clients.map((client, i) => this.#person(client, i));
    return this;
  }

  /** The client leaves until the end of the load. */
  leave(client) {
    this.gone.add(client);
    client.close();
  }

  /** The next `count` clients that lose their connection leave too. */
  leaveWhenLost(count) {
    this.willGo += count;
  }

  get present() {
    return this.clients.filter((client) => !this.gone.has(client));
  }

  #staysAway(client) {
    if (!this.gone.has(client) && this.willGo > 0) {
      this.willGo -= 1;
      this.gone.add(client);
    }
    return this.running && this.gone.has(client);
  }

  /** Reconnects and joins all channels, however long it takes; false: the client has left, or the load has ended. */
  async #back(client) {
    while (!client.open) {
      if (this.#staysAway(client)) return false;
      try {
        await client.connect();
        for (const channel of this.channels) {
          const ack = await client.join(channel);
          if (!ack?.ok) throw new Error("not joined");
        }
      } catch {
        client.close();
        client.open = false;
        if (this.finished) return false;
        await sleep(50 + this.random() * 150); // between two tries
      }
    }
    return true;
  }

  async #person(client, index) {
    for (let n = 0; this.running; n += 1) {
      await sleep((1000 / this.rate) * this.clients.length * (0.5 + this.random())); // the pace of the load
      if (this.random() < this.reconnects) client.close();
      if (!(await this.#back(client))) return;
      if (this.hushed.has(client)) continue;
      this.speaking.add(client);
      await this.#say(client, index, n);
      this.speaking.delete(client);
    }
  }

  async #say(client, index, n) {
    const channel = this.loyal ? this.channels[index % this.channels.length] : this.#anyChannel();
    if (this.random() < 0.15) await this.#burst(client, channel, n);
    else await this.#send(client, channel, `${index}.${n}`, n);
  }

  /** All clients stay connected, and send nothing until speak(). */
  async hush(clients = this.clients) {
    for (const client of clients) this.hushed.add(client);
    await until("nobody of them says anything", () => clients.every((client) => !this.speaking.has(client)));
  }

  speak(clients = this.clients) {
    for (const client of clients) this.hushed.delete(client);
  }

  #anyChannel() {
    return this.channels[this.random() < 0.25 ? 0 : Math.floor(this.random() * this.channels.length)];
  }

  /** Three sends at once on one connection must keep their order. */
  async #burst(client, channel, n) {
    const fifo = `${n}`;
    const ids = ["a", "b", "c"].map((letter) => `${client.name}.${n}.${letter}`);
    const asked = ids.map((clientId, i) => {
      client.note("invoke", { channel, clientId, content: clientId, n: i, fifo });
      return client.ask("message:send", { channelId: channel, clientId, content: clientId });
    });
    for (const [i, ack] of (await Promise.all(asked)).entries()) this.#outcome(client, channel, ids[i], ids[i], ack);
    for (const clientId of ids) if (!this.known.has(clientId)) await this.#insist(client, channel, clientId, clientId);
  }

  known = new Set();

  #outcome(client, channel, clientId, content, ack, retry = false) {
    if (!ack) return client.note("unknown", { channel, clientId });
    if (ack.ok) {
      this.ok += 1;
      this.known.add(clientId);
      return client.note("ok", { channel, clientId, content, seq: ack.seq, epoch: ack.epoch, duplicate: ack.duplicate, retry });
    }
    if (ack.error.code !== "unavailable") this.known.add(clientId);
    return client.note(ack.error.code === "unavailable" ? "unknown" : "fail", { channel, clientId, content, code: ack.error.code });
  }

  async #insist(client, channel, clientId, content) {
    while (!this.known.has(clientId)) {
      await sleep(50 + this.random() * 100); // between two tries
      if (!(await this.#back(client))) return;
      this.#outcome(client, channel, clientId, content, await client.ask("message:send", { channelId: channel, clientId, content }), true);
      if (this.finished) return;
    }
  }

  async #send(client, channel, label, n) {
    const clientId = `${client.name}.${label}`, content = `${client.name} says ${label}`;
    client.note("invoke", { channel, clientId, content, n });
    const ack = await client.ask("message:send", { channelId: channel, clientId, content });
    this.#outcome(client, channel, clientId, content, ack);
    await this.#insist(client, channel, clientId, content);
    if (this.random() < 0.1) // a repeat on purpose
      this.#outcome(client, channel, clientId, content, await client.ask("message:send", { channelId: channel, clientId, content }), true);
    if (this.random() < 0.02) {
      const other = await client.ask("message:send", { channelId: channel, clientId, content: "something else" });
      if (other?.ok) client.note("reused", { channel, clientId, content: "something else" });
    }
    if (ack?.ok && this.random() < 0.05) {
      const change = this.random() < 0.5 ? ["message:edit", { content: `${content} (edited)` }] : ["message:delete", {}];
      await client.ask(change[0], { channelId: channel, messageId: ack.id, clientId: `${clientId}.change`, ...change[1] });
    }
  }

  async progress(n, ms = 20_000) {
    const from = this.ok;
    await until(`${n} more acknowledgements`, () => this.ok >= from + n, ms);
  }

  /** Waits until no client sees one that left as online. The checker finds those that do so for too long. */
  async #farewell() {
    const gone = new Set([...this.gone].map(({ name }) => name));
    const isHeld = () => beliefs(this.history).some(({ user, to }) => gone.has(user) && to === Infinity);
    await until("who left is offline", () => !isHeld(), AWAY_MS + 1000).catch(() => {});
  }

  /** Have all connected clients the same events? */
  get #isEven() {
    const there = this.clients.filter(({ open }) => open);
    return this.channels.every((channel) => new Set(there.map(({ cursors }) => cursors.get(channel)?.seq)).size <= 1);
  }

  /** Ends the load: all clients reconnect, resume, and wait until nothing more arrives. The checker reports what a client misses that
   * cannot reconnect. */
  async finish() {
    this.running = false;
    let gone = false;
    Promise.all(this.people).then(() => { gone = true; });
    await until("everybody has said it", () => gone, 20_000);
    await this.#farewell();
    for (const client of this.clients) await client.hangUp();
    await Promise.race([Promise.all(this.clients.map((client) => this.#back(client))), sleep(BACK_MS)]);
    for (let quiet = -1; quiet !== this.history.length; await sleep(300)) {
      await until("all have heard the same", () => this.#isEven, DELIVERED_MS).catch(() => {}); // the checker reports what is missing
      quiet = this.history.length;
    }
    this.finished = true;
    return this.history;
  }

  close() {
    this.finished = true;
    this.running = false;
    for (const client of this.clients) client.close();
  }
}
