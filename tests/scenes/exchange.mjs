// SPDX-License-Identifier: Apache-2.0
// The examples of docs/protocol.md and docs/wire.md: sends each block ```exchange to a real server, and compares the answers
// with the page.
//
//   alice → WS /ws                      opens a WebSocket; GET, POST, … are requests of HTTP, PUBLISH, … of Redis
//   alice → {"type":"connect"}          a frame that is sent
//   alice ← {"id":"‹id›","n":‹n›}       what comes: ‹id› is any text, and the same wherever the name comes again; ‹n› a number
//   alice ← bytes 010203                a frame of bytes
//   alice ← close 1012                  the end, with its code; "→ close" ends the connection without a word
//
// JSON is compared as JSON: the order of an object's keys does not count. ␞ is the byte 0x1E.
import assert from "node:assert/strict";
import { decode, encode } from "notepack.io";
import { createClient } from "redis";
import { until } from "./harness.mjs";
import { Wire } from "./raw.mjs";

const LINE = /^([\w' ]+?) (→|←) (.+)$/;
const HTTP = /^(GET|PUT|POST|DELETE|OPTIONS) (\S+)(?: (.*))?$/;

/** The examples of a page, in their order: [{line, steps: [{who, sent, text, line}]}]. */
export function examplesOf(page) {
  const lines = page.split("\n"), examples = [];
  for (let i = 0; i < lines.length; i++) {
    if (lines[i] !== "```exchange") continue;
    const example = { line: i + 1, steps: [] };
    for (i++; lines[i] !== "```"; i++) {
      const [, who, arrow, text] = lines[i].match(LINE) ?? assert.fail(`line ${i + 1}: no step: ${lines[i]}`);
      example.steps.push({ who, sent: arrow === "→", text, line: i + 1 });
    }
    examples.push(example);
  }
  return examples;
}

// What stands before the JSON (or the whole text, if it has none), and the JSON; a mark is an object of its own.
class Mark {
  constructor(name, type) {
    Object.assign(this, { name, type });
  }
}

function parts(text, marked) {
  const start = text.search(/[[{]/), head = start < 0 ? text : text.slice(0, start);
  if (start < 0) return { head };
  const revive = (_, value) => {
    const [, type, name] = (marked && typeof value === "string" && value.match(/^\0(\w+):(.+)$/)) || [];
    return name ? new Mark(name, type) : value;
  };
  const json = text.slice(start).replace(/"‹(\w+)›"/g, '"\\u0000string:$1"').replace(/‹(\w+)›/g, '"\\u0000number:$1"');
  try {
    return { head, json: JSON.parse(marked ? json : text.slice(start), revive) };
  } catch {
    return { head: text };
  }
}

// Does the value fit? Stores the values of marks in `found`.
function fits(pattern, value, found) {
  if (pattern instanceof Mark) {
    if (typeof value !== pattern.type) return false;
    found[pattern.name] ??= value;
    return found[pattern.name] === value;
  }
  if (pattern === null || typeof pattern !== "object") return pattern === value;
  if (value === null || typeof value !== "object" || Array.isArray(pattern) !== Array.isArray(value)) return false;
  const keys = Object.keys(pattern);
  return keys.length === Object.keys(value).length && keys.every((key) => key in value && fits(pattern[key], value[key], found));
}

// Marks before the JSON are numbers.
function headFits(pattern, head, found) {
  const [first, ...others] = pattern.split(/‹(\w+)›/), names = others.filter((_, i) => i % 2 === 0);
  if (names.length === 0) return pattern === head;
  const text = first + others.map((part, i) => (i % 2 === 0 ? "(\\d+)" : part)).join("");
  const [, ...values] = head.match(new RegExp(`^${text}$`)) ?? [];
  return values.length > 0 && names.every((name, i) => fits(new Mark(name, "string"), values[i], found));
}

function matches(expected, came, known) {
  const pattern = parts(expected, true), value = parts(came, false), found = { ...known };
  if (!headFits(pattern.head, value.head, found) || ("json" in pattern) !== ("json" in value)) return false;
  return (!("json" in pattern) || fits(pattern.json, value.json, found)) && Object.assign(known, found);
}

// ---- speakers: each has the received texts, say(text), and leavesOut(text): may an example leave this text out? ----

class Requests {
  texts = [];
  leavesOut = () => false;
  #server;
  #headers;

  constructor(server, key) {
    this.#server = server;
    this.#headers = key && { authorization: `Bearer ${key}` };
  }

  say(text) {
    const [, method, path, body] = text.match(HTTP);
    const type = body?.startsWith("{") ? "application/json" : "text/plain;charset=UTF-8";
    const headers = { ...this.#headers, ...(body && { "content-type": type }) };
    fetch(this.#server.url + path, { method, headers, body: body?.replaceAll("␞", "\x1e") }).then(async (response) => {
      const text = (await response.text()).replaceAll("\x1e", "␞");
      this.texts.push(text ? `${response.status} ${text}` : `${response.status}`);
    });
  }
}

class Socket {
  #wire;
  constructor(owner, server, path) {
    this.#wire = new Wire(owner, server.url + path);
    this.plain = path === "/ws"; // of which the order of an acknowledgement and an event is no promise
  }

  leavesOut(text) {
    return this.plain ? text.startsWith('{"type":"event"') : text === "2";
  }

  get texts() {
    const { frames, closed } = this.#wire;
    const texts = frames.map((frame) => (Buffer.isBuffer(frame) ? `bytes ${frame.toString("hex")}` : frame));
    if (closed) texts.push(closed.status ? `refused ${closed.status}` : `close ${closed.code}${closed.reason ? ` ${closed.reason}` : ""}`);
    return texts;
  }

  async say(text) {
    if (text === "close") return this.#wire.socket.terminate();
    await this.#wire.opened();
    this.#wire.send(text.startsWith("bytes ") ? Buffer.from(text.slice(6), "hex") : text);
  }
}

// What is published is heard too: by its own subscriptions, and not the publisher's own words.
class Redis {
  texts = [];
  leavesOut = () => false;
  #client;
  #own = new Set();
  #subscribed = [];

  async connect(owner, address) {
    this.#client = createClient({ url: `redis://${address}` });
    const ears = this.#client.duplicate();
    for (const client of [this.#client, ears]) {
      client.on("error", () => {}); // the server may end first
      await client.connect();
      owner.after(() => client.disconnect());
    }
    this.hear = (bytes, channel) => {
      const isJson = bytes[0] === "{".charCodeAt(0), own = `${channel} ${bytes.toString("hex")}`;
      if (!this.#own.delete(own)) this.texts.push(`${channel} ${isJson ? bytes : `msgpack ${JSON.stringify(decode(bytes))}`}`);
    };
    this.ears = ears;
    return this;
  }

  async say(text) {
    const [command, channel, form, ...rest] = text.split(" "), sharded = command.startsWith("S");
    if (command.endsWith("SUBSCRIBE")) {
      await (sharded ? this.ears.sSubscribe(channel, this.hear, true) : this.ears.pSubscribe(channel, this.hear, true));
      return this.#subscribed.push({ sharded, prefix: channel.replace(/\*$/, "") });
    }
    const bytes = form === "msgpack" ? encode(JSON.parse(rest.join(" "))) : Buffer.from([form, ...rest].join(" "));
    const ears = this.#subscribed.filter((own) => own.sharded === sharded && (sharded ? own.prefix === channel : channel.startsWith(own.prefix)));
    await until(`the server hears ${channel}`, async () => {
      if (ears.length > 0) this.#own.add(`${channel} ${bytes.toString("hex")}`);
      return (await (sharded ? this.#client.sPublish(channel, bytes) : this.#client.publish(channel, bytes))) > ears.length;
    });
  }
}

/** Runs examples: connections and the values of marks last from one to the next. */
export class Walk {
  #owner;
  #server;
  #options;
  #known = {};
  #people = new Map(); // name → {speaker, taken}

  /** options: {keys: {name: key of REST}, redis: an address}. */
  constructor(owner, server, options = {}) {
    this.#owner = owner;
    this.#server = server;
    this.#options = options;
  }

  async go(example) {
    for (let i = 0; i < example.steps.length; ) {
      const step = example.steps[i];
      if (step.sent) {
        await this.#send(step);
        i++;
      } else {
        let end = i + 1;
        const { speaker } = this.#people.get(step.who);
        while (speaker.plain && example.steps[end]?.sent === false && example.steps[end].who === step.who) end++;
        await this.#hear(example.steps.slice(i, end));
        i = end;
      }
    }
  }

  async #send({ who, text }) {
    const known = (whole, name) => this.#known[name] ?? assert.fail(`${whole} is not known yet`);
    const said = text.replace(/‹(\w+)›/g, known);
    if (text === "SIGTERM") return this.#server.signal(text);
    if (text.startsWith("WS ")) this.#people.set(who, { speaker: new Socket(this.#owner, this.#server, said.slice(3)), taken: 0 });
    else if (HTTP.test(text) && !this.#people.has(who)) this.#people.set(who, { speaker: new Requests(this.#server, this.#options.keys?.[who]), taken: 0 });
    else if (who === "redis" && !this.#people.has(who)) this.#people.set(who, { speaker: await new Redis().connect(this.#owner, this.#options.redis), taken: 0 });
    if (!text.startsWith("WS ")) await this.#people.get(who).speaker.say(said);
  }

  // Several expected texts may come in any order.
  async #hear(steps) {
    const person = this.#people.get(steps[0].who), open = [...steps];
    while (open.length > 0) {
      const came = await until(`${open[0].who}, line ${open[0].line}: ${open[0].text}`, () => person.speaker.texts[person.taken]);
      person.taken++;
      const place = open.findIndex(({ text }) => matches(text, came, this.#known));
      if (place >= 0) open.splice(place, 1);
      else if (!person.speaker.leavesOut(came)) assert.fail(`line ${open[0].line}: expected ${open[0].text}\n         came: ${came}`);
    }
  }
}
