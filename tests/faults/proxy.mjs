// SPDX-License-Identifier: Apache-2.0
// A TCP proxy between two programs that injects network faults; a test turns them on and off.

import { createServer, connect } from "node:net";

const UP = "up", DOWN = "down"; // towards the server, towards the client

/** One direction of one connection. Data waits here until the fault lets it pass. */
class Flow {
  constructor(proxy, from, to, way) {
    Object.assign(this, { proxy, from, to, way, queue: Promise.resolve(), passed: 0 });
    from.on("data", (bytes) => {
      from.pause(); // one piece at a time, so that a slow connection has backpressure
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
 * ms: over TCP, a lost packet and all data after it come a timeout later) | "rate" (bytesPerSecond) | "slice" (bytes) |
 * "corrupt" (at: offset of the byte) | "limit" (bytes, then it closes)}; ways: ["up"] or ["down"], otherwise both. */
export class Proxy {
  fault = { kind: "pass" };
  port = 0;
  #pairs = new Set();
  #spoiled = new Set();

  constructor(target) {
    this.target = target; // a port on this machine, which may change
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

  /** Ends connections that lost bytes: later data would make no sense. On a real network they would have timed out, or
   * sent the bytes again. */
  spoil(...sockets) {
    for (const socket of sockets) this.#spoiled.add(socket);
  }

  pass() {
    this.set({ kind: "pass" });
  }

  /** Ends all connections with RST. */
  cut() {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  stop() {
    this.server.close();
    this.cut();
  }
}
