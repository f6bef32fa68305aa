// SPDX-License-Identifier: Apache-2.0
// Faults under load on one machine: the checker finds no broken promise.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, openSync, readdirSync, readFileSync, renameSync, writeFileSync, writeSync, closeSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { check } from "./checker.mjs";
import { Load } from "./load.mjs";
import { Server, sleep, until } from "./server.mjs";

async function scene(options, run) {
  const server = await new Server(options).start();
  const load = await new Load(server, options?.load).start();
  try {
    await run(server, load);
  } finally {
    load.close();
    await server.clean();
  }
}

async function settle(server, load) {
  const history = await load.finish();
  load.close();
  await server.stop();
  const truth = server.truth();
  assert.deepEqual(check(history, truth).slice(0, 5), []);
  assert.equal(server.integrity(), "ok");
  assert.ok(truth.length > 50, `only ${truth.length} events`);
}

test("N1 a killed worker is replaced within a second and nothing is lost or doubled", { timeout: 90_000 }, () =>
  scene({}, async (server, load) => {
    for (let round = 0; round < 3; round += 1) {
      await load.progress(60);
      const before = server.worker();
      server.signal("SIGKILL", before);
      await until("another worker", () => server.worker() !== before, 1500);
      await load.progress(20);
    }
    await settle(server, load);
  }));

test("N1 no connection attempt is refused while a worker restarts", { timeout: 60_000 }, () =>
  scene({ load: { clients: 2, rate: 20 } }, async (server, load) => {
    let refused = 0, tried = 0;
    const attempt = () => new Promise((resolve) => {
      tried += 1;
      const socket = connect(server.port, "127.0.0.1", () => { socket.destroy(); resolve(); });
      socket.on("error", (error) => { if (error.code === "ECONNREFUSED") refused += 1; resolve(); });
    });
    const before = server.worker();
    server.signal("SIGKILL", before);
    while (server.worker() === before || tried < 50) { await attempt(); await sleep(5); }
    assert.equal(refused, 0);
    await load.progress(5);
  }));

test("N2 workers of a killed master end within five seconds; a new server takes over", { timeout: 90_000 }, () =>
  scene({}, async (server, load) => {
    await load.progress(80);
    const worker = server.worker();
    server.signal("SIGKILL");
    await server.exit;
    await until("the worker has ended", () => !server.alive(worker), 6000);
    await server.start();
    await load.progress(60);
    await settle(server, load);
  }));

test("N3 a stuck worker is killed and replaced; nothing is lost or doubled", { timeout: 120_000 }, () =>
  scene({ load: { silentMs: 20_000 } }, async (server, load) => {
    await load.progress(60);
    server.signal("SIGSTOP", server.worker());
    await sleep(3000); // a pause that the server must survive
    server.signal("SIGCONT", server.worker());
    await load.progress(30);
    const before = server.worker();
    server.signal("SIGSTOP", before);
    await until("worker.stuck", () => server.line(/worker\.stuck/), 15_000);
    await until("another worker", () => server.worker() !== before, 3000);
    await load.progress(30);
    await settle(server, load);
  }));

test("killing all processes at any moment loses and doubles no acknowledged message", { timeout: 120_000 }, () =>
  scene({ load: { rate: 200 } }, async (server, load) => {
    for (let round = 0; round < 4; round += 1) {
      await load.progress(60 + round * 17);
      await server.kill();
      await server.start();
    }
    await load.progress(60);
    await settle(server, load);
  }));

/** Sends until the disk is full. */
function fill(file) {
  const fd = openSync(file, "w");
  try { for (;;) writeSync(fd, Buffer.alloc(4096)); } catch { closeSync(fd); }
}

test("N22 a full disk refuses sends, allows reads, and the server recovers by itself", { timeout: 90_000 }, async () => {
  const folder = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]);
  const server = new Server({ folder }), load = new Load(server, { clients: 3, rate: 40, reconnects: 0 });
  try {
    const ballast = join(folder, "ballast");
    await server.start();
    await load.start();
    await load.progress(40);
    fill(ballast);
    const alice = load.clients[0];
    let sent = 0;
    const send = async () => {
      const channel = "room-0", clientId = `full.${sent++}`, content = `${clientId} ${"x".repeat(2000)}`;
      alice.note("invoke", { channel, clientId, content });
      const ack = await alice.ask("message:send", { channelId: channel, clientId, content });
      if (ack) alice.note(ack.ok ? "ok" : "fail", { channel, clientId, content, seq: ack.seq, epoch: ack.epoch });
      return ack;
    };
    const refused = await until("a refusal", async () => {
      const ack = await send();
      return ack && !ack.ok && ack.error;
    }, 15_000);
    assert.equal(refused.code, "storage_full");
    const history = await alice.ask("history:get", { channelId: "room-0", limit: 10 });
    assert.equal(history.ok, true);
    await until("the alert", async () => (await send()) && server.line(/ alert details=.*storage_full.* what=store\.fails/));
    execFileSync("rm", [ballast]);
    await load.progress(20);
    await until("the end of the alert", () => server.line(/ alert .*what=store\.works/));
    await settle(server, load);
  } finally {
    load.close();
    if (!server.ended) await server.kill();
    execFileSync("umount", ["-l", folder]);
  }
});

test("N24 a log that cannot be written stops nobody, and lost lines are counted", { timeout: 60_000 }, async () => {
  const folder = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]);
  const log = join(folder, "stoa.log");
  writeFileSync(log, "");
  const server = new Server({ set: [`log_file=${log}`, "log_level=debug"] });
  const load = new Load(server, { clients: 3, rate: 100, reconnects: 0.1 });
  const reading = setInterval(() => { server.lines = readFileSync(log, "utf8").split("\n"); }, 50); // its lines go to the file
  try {
    await server.start();
    await load.start();
    await load.progress(50);
    fill(join(folder, "ballast"));
    const metrics = async () => (await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text());
    await until("lines are lost", async () => Number((await metrics()).match(/^stoa_log_dropped_total (\d+)/m)?.[1]) > 0);
    await load.progress(20);
    load.close();
    await server.stop();
  } finally {
    load.close();
    clearInterval(reading);
    await server.clean();
    execFileSync("umount", ["-l", folder]);
  }
});

/** The CPU time that a process has used, in ms. */
function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

test("N25 without descriptors the loop rests, clients are served, and others connect later", { timeout: 90_000 }, () =>
  scene({ wrap: ["prlimit", "--nofile=64:64"], load: { clients: 4, rate: 40, reconnects: 0 } }, async (server, load) => {
    await load.progress(20);
    const crowd = Array.from({ length: 200 }, () => connect(server.port, "127.0.0.1").on("error", () => {}));
    await until("the worker has all the descriptors it may have", () => readdirSync(`/proc/${server.worker()}/fd`).length >= 63);
    const since = performance.now(), before = cpuMs(server.worker());
    await load.progress(80);
    const share = (cpuMs(server.worker()) - before) / (performance.now() - since);
    assert.ok(share < 0.7, `the worker used ${share} of a processor`);
    for (const socket of crowd) socket.destroy();
    await until("a newcomer is served", async () => (await fetch(`http://127.0.0.1:${server.port}/health`, { signal: AbortSignal.timeout(1000) }).catch(() => null))?.ok);
    assert.equal(server.line(/worker\.exited/), null);
    await settle(server, load);
  }));

test("N26 a worker without memory is replaced; nothing is lost or doubled", { timeout: 90_000, skip: process.env.STOA_SANITIZED && "the sanitizer reserves address space; the plain build runs it" }, () =>
  scene({ load: { clients: 4, rate: 40 } }, async (server, load) => {
    await load.progress(40);
    const before = server.worker();
    const pages = Number(readFileSync(`/proc/${before}/statm`, "utf8").split(" ")[0]);
    execFileSync("prlimit", ["--pid", String(before), `--as=${pages * 4096 + (1 << 20)}`]);
    const crowd = [];
    await until("another worker", async () => {
      crowd.push(connect(server.port, "127.0.0.1").on("error", () => {}));
      const socket = crowd.at(-1);
      socket.write(`POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n${"x".repeat(400_000)}`);
      return server.worker() !== before;
    });
    assert.ok(server.line(/^out of memory$/));
    for (const socket of crowd) socket.destroy();
    await load.progress(40);
    await settle(server, load);
  }));

test("N27 slow readers cost bounded memory and delay nobody else", { timeout: 90_000 }, () =>
  scene({ load: { clients: 4, rate: 40, reconnects: 0 } }, async (server, load) => {
    const { default: WebSocket } = await import("ws");
    const slow = [];
    for (let i = 0; i < 20; i += 1) {
      const ws = new WebSocket(`ws://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
      ws.on("error", () => {});
      await new Promise((resolve) => ws.once("open", resolve));
      ws.send(`40${JSON.stringify({ user: `slow-${i}` })}`);
      let joined = false;
      ws.on("message", (text) => { joined ||= String(text).startsWith("430"); });
      ws.send(`420["channel:join",{"channelId":"room-0"}]`);
      await until("the join's answer", () => joined);
      ws._socket.pause();
      slow.push(ws);
    }
    const rss = () => Number(readFileSync(`/proc/${server.worker()}/statm`, "utf8").split(" ")[1]) * 4096;
    const before = rss();
    const alice = load.clients[0], times = [];
    for (let i = 0; i < 300; i += 1) {
      const start = performance.now();
      const clientId = `big.${i}`, content = `${clientId} ${"x".repeat(8000)}`;
      alice.note("invoke", { channel: "room-0", clientId, content, n: i });
      const ack = await alice.ask("message:send", { channelId: "room-0", clientId, content });
      assert.equal(ack?.ok, true);
      alice.note("ok", { channel: "room-0", clientId, seq: ack.seq, epoch: ack.epoch });
      times.push(performance.now() - start);
    }
    const bound = (20 * 2 * (1 << 20) + (64 << 20)) * (process.env.STOA_SANITIZED ? 4 : 1); // the sanitizer keeps freed memory
    assert.ok(rss() - before < bound, `grew by ${rss() - before} bytes`);
    times.sort((a, b) => a - b);
    assert.ok(times[Math.floor(times.length * 0.99)] < 2000);
    for (const ws of slow) ws.terminate();
    await settle(server, load);
  }));

test("N28 broken reloads under load change nothing; good ones drop nobody", { timeout: 120_000 }, () => {
  const folder = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
  const here = new URL(".", import.meta.url).pathname;
  const good = readFileSync(join(here, "stoa.lua"), "utf8").replaceAll("../../scripts", join(here, "../../scripts"));
  const config = join(folder, "stoa.lua");
  writeFileSync(config, good);
  const broken = [
    good.replace("return {", "return {{"),
    good.replace("log_level", "log_leven"),
    good.replace("ping_timeout_ms = 2000", 'ping_timeout_ms = "soon"'),
    good.replace("auth.lua", "nowhere.lua"),
    `while true do end\n${good}`,
  ];
  return scene({ config, load: { reconnects: 0 } }, async (server, load) => {
    await load.progress(40);
    for (let round = 0; round < 25; round += 1) {
      writeFileSync(config, broken[round % broken.length]);
      const from = server.lines.length;
      server.signal("SIGHUP");
      const [, error] = await until("reload.failed", () => server.line(/reload\.failed error="?([^"]*)/, from), 10_000);
      assert.match(error, /:\d+: /);
    }
    writeFileSync(config, good);
    for (let round = 0; round < 10; round += 1) {
      const from = server.lines.length;
      server.signal("SIGHUP");
      await until("reload.done", () => server.line(/reload\.done generation=/, from), 10_000);
    }
    await load.progress(40);
    assert.equal(load.history.filter(({ type }) => type === "disconnect").length, 0);
    await settle(server, load);
    execFileSync("rm", ["-rf", folder]);
  });
});

test("N30 SIGTERM with many clients sends acknowledgements, closes with 1012, ends in time", { timeout: 60_000 }, () =>
  scene({ load: { clients: 60, rate: 200, reconnects: 0 } }, async (server, load) => {
    await load.progress(100);
    load.running = false;
    const start = performance.now();
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
    assert.ok(performance.now() - start < 6000);
    await until("all are closed", () => load.clients.every(({ open }) => !open));
    const codes = new Set(load.history.filter(({ type }) => type === "disconnect").map(({ code }) => code));
    assert.deepEqual([...codes], [1012]);
    assert.ok(load.history.some(({ type, name }) => type === "event" && name === "server:shutdown"));
    assert.deepEqual(check(load.history.filter(({ type }) => type === "ok" || type === "invoke"), server.truth()), []);
  }));

test("N31 a jumping wall clock disconnects nobody", { timeout: 60_000, skip: process.env.STOA_SANITIZED && "libfaketime and the sanitizer's runtime exclude each other; the plain build runs it" }, async () => {
  const library = ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"].find(existsSync);
  assert.ok(library, "package faketime is missing");
  const folder = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
  const stamp = join(folder, "time");
  const jump = (by) => { // in one write, because libfaketime ends a process that reads an empty file
    writeFileSync(`${stamp}.new`, by);
    renameSync(`${stamp}.new`, stamp);
  };
  jump("+0");
  const env = { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: stamp, FAKETIME_DONT_FAKE_MONOTONIC: "1", FAKETIME_NO_CACHE: "1" };
  await scene({ env, load: { clients: 4, reconnects: 0 } }, async (server, load) => {
    for (const by of ["+3600", "-3600", "+600", "-600", "+0"]) {
      jump(by);
      await load.progress(20);
    }
    assert.equal(load.history.filter(({ type }) => type === "disconnect").length, 0);
    await settle(server, load);
  });
  execFileSync("rm", ["-rf", folder]);
});

test("N35 a damaged database is refused clearly, or a prefix is recovered", { timeout: 120_000 }, async () => {
  const server = await new Server().start();
  const load = await new Load(server, { clients: 3, rate: 150, reconnects: 0 }).start();
  await load.progress(150);
  load.close();
  await server.kill();
  const whole = readFileSync(server.database), wal = readFileSync(`${server.database}-wal`);
  const acked = new Map(load.history.filter(({ type }) => type === "ok").map((event) => [`${event.channel}/${event.seq}`, event.clientId]));
  for (let round = 0; round < 6; round += 1) {
    const database = Buffer.from(whole), log = Buffer.from(wal);
    if (round % 3 === 0) log[Math.floor(log.length * (0.2 + round * 0.1))] ^= 0x10;
    else if (round % 3 === 1) database[Math.min(database.length - 1, 4096 + round * 997)] ^= 0x10;
    writeFileSync(server.database, database);
    writeFileSync(`${server.database}-wal`, round % 3 === 2 ? log.subarray(0, Math.floor(log.length / 2)) : log);
    const again = await server.start().catch((error) => error);
    if (again instanceof Error) { assert.match(again.message, /stoa\.db: /); continue; }
    await server.stop();
    for (const row of server.truth()) // the rest is a prefix of the log: the same contents under the same numbers
      if (row.kind === 0 && acked.has(`${row.channel}/${row.seq}`)) assert.equal(row.clientId, acked.get(`${row.channel}/${row.seq}`));
  }
  await server.clean();
});

test("N36 restoring an older backup begins a new epoch and resets clients", { timeout: 90_000 }, async () => {
  const server = await new Server().start();
  const load = await new Load(server, { clients: 3, rate: 100, reconnects: 0 }).start();
  await load.progress(60);
  await Promise.race([load.finish(), sleep(5000)]);
  await server.stop();
  const backup = join(server.folder, "backup.db");
  copyFileSync(server.database, backup);
  load.close();
  await server.start();
  const later = new Load(server, { clients: 1, channels: 3, rate: 50 });
  const alice = later.clients[0];
  for (const [channel, cursor] of load.clients[0].cursors) alice.cursors.set(channel, { ...cursor });
  await alice.connect();
  for (const channel of later.channels) assert.equal((await alice.join(channel)).ok, true);
  for (let i = 0; i < 5; i += 1) assert.equal((await alice.ask("message:send", { channelId: "room-0", clientId: `lost.${i}`, content: `lost ${i}` })).ok, true);
  await until("they arrived", () => later.history.filter(({ content }) => content?.startsWith("lost")).length === 5);
  const before = alice.cursors.get("room-0");
  alice.close();
  await server.stop();
  copyFileSync(backup, server.database);
  await server.start();
  await until("down", () => !alice.open);
  await alice.connect();
  const ack = await alice.join("room-0");
  assert.equal(ack.ok, true);
  assert.notEqual(ack.epoch, before.epoch);
  assert.equal(ack.reset?.forkSeq, before.seq - 5);
  alice.close();
  await server.clean();
});
