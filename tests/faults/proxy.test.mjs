// SPDX-License-Identifier: Apache-2.0
// The proxy itself: each fault does what its name says, and without a fault the proxy changes nothing.

import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import test from "node:test";
import { Proxy } from "./proxy.mjs";
import { sleep, until } from "./server.mjs";

/** An echo behind a proxy, and a connection through it: {proxy, socket, heard(), ended()}. */
async function stage(t, fault) {
  const echo = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  await new Promise((resolve) => echo.listen(0, "127.0.0.1", resolve));
  const proxy = await new Proxy(echo.address().port).start();
  proxy.set(fault);
  const socket = connect(proxy.port, "127.0.0.1");
  const pieces = [];
  let ended = false;
  socket.on("data", (bytes) => pieces.push(bytes)).on("error", () => {}).on("close", () => { ended = true; });
  t.after(() => { socket.destroy(); proxy.stop(); echo.close(); });
  return { proxy, socket, pieces, heard: () => Buffer.concat(pieces).toString(), ended: () => ended };
}

test("pass: all data comes back unchanged", async (t) => {
  const { socket, heard } = await stage(t, { kind: "pass" });
  const text = "x".repeat(1 << 20);
  socket.write(text);
  await until("all of it", () => heard().length === text.length);
});

test("refuse and cut: the connection ends", async (t) => {
  const refused = await stage(t, { kind: "refuse" });
  await until("the end", refused.ended);
  const { proxy, socket, heard, ended } = await stage(t, { kind: "pass" });
  socket.write("a");
  await until("the echo", () => heard() === "a");
  proxy.cut();
  await until("the end", ended);
});

for (const way of ["up", "down"]) {
  test(`blackhole ${way}: nothing comes back during the fault, then the connection ends`, async (t) => {
    const { proxy, socket, heard, ended } = await stage(t, { kind: "blackhole", ways: [way] });
    socket.write("a");
    await sleep(200); // an echo would have come
    assert.deepEqual([heard(), ended()], ["", false]);
    proxy.pass();
    await until("the end", ended);
  });
}

test("latency, loss and rate: data comes late", async (t) => {
  for (const [fault, ms] of [[{ kind: "latency", ms: 50 }, 100], [{ kind: "loss", share: 1, ms: 60 }, 120], [{ kind: "rate", bytesPerSecond: 1000 }, 200]]) {
    const { socket, heard } = await stage(t, fault);
    const from = performance.now();
    socket.write("x".repeat(100));
    await until("all of it", () => heard().length === 100);
    assert.ok(performance.now() - from >= ms - 5, `${fault.kind}: ${performance.now() - from} ms`);
  }
});

test("slice, corrupt, limit: pieces, a flipped bit, then the end", async (t) => {
  const sliced = await stage(t, { kind: "slice", bytes: 1 });
  sliced.socket.write("hello");
  await until("all of it", () => sliced.heard() === "hello");
  const corrupt = await stage(t, { kind: "corrupt", at: 1, ways: ["down"] });
  corrupt.socket.write("hello");
  await until("all of it", () => corrupt.heard() === "hullo");
  const limited = await stage(t, { kind: "limit", bytes: 3, ways: ["down"] });
  limited.socket.write("hello");
  await until("the end", limited.ended);
  assert.equal(limited.heard(), "hel");
});
