// SPDX-License-Identifier: Apache-2.0
// The people of a scene: each an official Socket.IO client that remembers what it heard.
import { io } from "socket.io-client";
import { Stoa } from "../../client/sdk/stoa.js";
import { until, within } from "./harness.mjs";

let sends = 0;

export class Person {
  heard = []; // [name, argument…] of every event
  #seen = new Map(); // event name → how many of it next() has handed out

  /** options: those of socket.io-client. Connecting goes on while this returns. */
  constructor(owner, server, user, { auth = { user }, query = { recovery: 1 }, namespace = "/", ...options } = {}) {
    this.user = user;
    this.socket = io(server.url + namespace, { auth, query, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
    this.socket.onAny((...event) => this.heard.push(event));
    this.socket.on("connect_error", (error) => (this.refusal = error));
    owner.after(() => this.socket.disconnect());
  }

  connected() {
    return until(`${this.user} connected`, () => this.socket.connected).then(() => this);
  }

  refused() {
    return until(`${this.user} refused`, () => this.refusal);
  }

  /** The acknowledgement of an event. */
  ask(event, ...args) {
    return within(`the answer to ${event}`, this.socket.emitWithAck(event, ...args));
  }

  join(channelId, since) {
    return this.ask("channel:join", { channelId, since });
  }

  send(channelId, content, more) {
    return this.ask("message:send", { channelId, clientId: `c${++sends}`, content, ...more });
  }

  /** First arguments of the events of that name, so far. */
  all(name) {
    return this.heard.filter(([heard]) => heard === name).map(([, first]) => first);
  }

  /** The next event of that name for which `holds`: its first argument. Skips those before it. */
  next(name, holds = () => true) {
    return until(`${this.user} hears ${name}`, () => {
      const events = this.all(name);
      const place = events.findIndex((event, i) => i >= (this.#seen.get(name) ?? 0) && holds(event));
      if (place < 0) return false;
      this.#seen.set(name, place + 1);
      return { event: events[place] };
    }).then(({ event }) => event);
  }

  get transport() {
    return this.socket.io.engine.transport.name;
  }

  /** Breaks the connection without a close; the client reconnects by itself. */
  break() {
    const { engine } = this.socket.io;
    if (engine.transport.ws) engine.transport.ws.terminate();
    else engine.close();
  }
}

/** A person who is connected. */
export function person(owner, server, user, options) {
  return new Person(owner, server, user, options).connected();
}

/** The SDK's client, as the page has it; `contents` are those of the messages that it handed out. */
export function sdkClient(owner, server, user, options) {
  const chat = new Stoa(io, server.url, { auth: { user }, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
  chat.messages = [];
  chat.on("message:new", (message) => chat.messages.push(message));
  owner.after(() => chat.close());
  return chat;
}
