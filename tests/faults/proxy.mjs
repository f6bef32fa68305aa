// SPDX-License-Identifier: Apache-2.0
// A TCP proxy that spoils what goes through it, on the edge between two programs: a test turns the fault on and off.

import { createServer, connect } from "node:net";

const UP = "up", DOWN = "down"; // towards the server, towards the client

/** One direction of one connection: what was read waits here until the fault lets it go on. */
class Flow {
  constructor(proxy, from, to, way) {
    Object.assign(this, { proxy, from, to, way, queue: Promise.resolve(), passed: 0 });
    from.on("data", (bytes) => {
      from.pause(); // one piece at a time: a slow edge pushes back
      this.queue = this.queue.then(() => this.#pass(bytes)).finally(() => from.resume());
    });
    from.on("end", () => this.queue.then(() => to.end()));
    from.on("error", () => to.destroy());
    from.on("close", () => this.queue.then(() => to.destroySoon()));
  }

  async #pass(bytes) {
    const { fault } = this.proxy;
    if (fault.ways && !fault.ways.includes(this.way)) return this.#write(bytes);
    if (fault.kind === "blackhole") { this.proxy.spoil(this.from, this.to); return undefined; }
    if (fault.kind === "latency") await pause(fault.ms + (Math.random() * 2 - 1) * (fault.jitterMs ?? 0));
    if (fault.kind === "loss" && Math.random() < fault.share) await pause(fault.ms);
    if (fault.kind === "rate") await pause((bytes.length * 1000) / fault.bytesPerSecond);
    if (fault.kind === "corrupt" && this.passed <= fault.at && fault.at < this.passed + bytes.length) bytes[fault.at - this.passed] ^= 0x10;
    if (fault.kind === "slice") {
      for (let i = 0; i < bytes.length; i += fault.bytes) await this.#write(bytes.subarray(i, i + fault.bytes));
      return undefined;
    }
    if (fault.kind === "limit" && this.passed + bytes.length > fault.bytes) {
      await this.#write(bytes.subarray(0, Math.max(0, fault.bytes - this.passed)));
      this.from.destroy();
      this.to.destroySoon();
      return undefined;
    }
    return this.#write(bytes);
  }

  #write(bytes) {
    this.passed += bytes.length;
    return new Promise((resolve) => { if (this.to.destroyed) resolve(); else this.to.write(bytes, resolve); });
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** Faults: {kind: "pass" | "refuse" | "blackhole" | "latency" (ms, jitterMs) | "loss" (share of the pieces,
 * ms: over TCP a lost packet is one that comes a timeout later, and all behind it) | "rate" (bytesPerSecond) | "slice" (bytes) |
 * "corrupt" (at: the byte's place) | "limit" (bytes, then it is closed)}; ways: ["up"] or ["down"], else both. */
export class Proxy {
  fault = { kind: "pass" };
  port = 0;
  #pairs = new Set();
  #spoiled = new Set();

  constructor(target) {
    this.target = target; // a port on this machine; it may change
    this.server = createServer((client) => this.#accept(client));
  }

  async start() {
    await new Promise((resolve) => this.server.listen(this.port, "127.0.0.1", resolve));
    this.port = this.server.address().port;
    return this;
  }

  #accept(client) {
    if (this.fault.kind === "refuse") { client.resetAndDestroy(); return; }
    const server = connect(this.target, "127.0.0.1"), pair = [client, server];
    for (const socket of pair) socket.setNoDelay(true).on("error", () => {});
    new Flow(this, client, server, UP);
    new Flow(this, server, client, DOWN);
    this.#pairs.add(pair);
    client.on("close", () => this.#pairs.delete(pair));
  }

  set(fault) {
    this.fault = fault;
    for (const socket of this.#spoiled) socket.resetAndDestroy();
    this.#spoiled.clear();
  }

  /** Bytes of theirs have vanished: what comes after the fault would make no sense. A real network's connection has timed
   * out by then, or has sent them again. */
  spoil(...sockets) {
    for (const socket of sockets) this.#spoiled.add(socket);
  }

  pass() {
    this.set({ kind: "pass" });
  }

  /** All connections end with RST. */
  cut() {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  stop() {
    this.server.close();
    this.cut();
  }
}
