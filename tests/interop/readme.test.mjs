// SPDX-License-Identifier: Apache-2.0
// Runs the clients and the script of README.md, with another address.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { newFolder, root, startServer, until } from "../scenes/harness.mjs";
import { person } from "../scenes/people.mjs";
import { built } from "./programs.mjs";

const ADDRESS = "127.0.0.1:3000";
const python = `${built}/python/bin/python`;

/** The only block in that language that matches. */
function block(language, pattern = /./) {
  const blocks = [...readFileSync(path.join(root, "README.md"), "utf8").matchAll(/^```(\w+)\n([^]*?)^```$/gm)];
  const found = blocks.filter(([, name, text]) => name === language && pattern.test(text));
  assert.equal(found.length, 1, `${language} ${pattern}`);
  return found[0][2];
}

/** A program that ends with the test, and its output so far. */
function start(t, program, ...arguments_) {
  const child = spawn(program, arguments_, { stdio: ["pipe", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  child.said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (child.said += bytes));
  child.hears = (pattern) => until(`${pattern}`, () => pattern.test(child.said)).catch((error) => assert.fail(`${error.message}\n${child.said}`));
  return child;
}

function startNode(t, server) {
  const code = block("js");
  assert.ok(code.includes(ADDRESS));
  const folder = newFolder(t);
  symlinkSync(path.join(root, "tests/scenes/node_modules"), path.join(folder, "node_modules"));
  writeFileSync(path.join(folder, "chat.mjs"), code.replace(ADDRESS, `127.0.0.1:${server.port}`));
  return start(t, "node", path.join(folder, "chat.mjs"));
}

test("the README's Socket.IO client says hello and hears bob", async (t) => {
  const server = await startServer(t), bob = await person(t, server, "bob");
  await bob.join("lobby");
  const alice = startNode(t, server);
  await bob.next("message:new", ({ userId, content }) => userId === "alice" && content === "hello");
  await alice.hears(/alice: hello/);
  await alice.hears(/ok: true/);
  await bob.send("lobby", "hello alice");
  await alice.hears(/bob: hello alice/);
});

test("the README's WebSocket client joins and says hello", async (t) => {
  if (!existsSync(python)) return t.skip(`no ${python}`);
  const server = await startServer(t), alice = await person(t, server, "alice");
  await alice.join("lobby");
  const [, arguments_] = block("sh", /^python3 /).match(/^python3 (.*)$/m);
  const bob = start(t, python, ...arguments_.replace(ADDRESS, `127.0.0.1:${server.port}`).split(" "));
  await bob.hears(/Connected/);
  const heard = [/"type":"connected"/, /"id":1/, /"id":2/];
  for (const [i, line] of block("json").trim().split("\n").entries()) {
    bob.stdin.write(`${line}\n`);
    await bob.hears(heard[i]);
  }
  await alice.next("message:new", ({ userId, content }) => userId === "bob" && content === "hello alice");
  await alice.send("lobby", "hello bob");
  await bob.hears(/hello bob/);
});

test("the README's script shouts, three times a minute", async (t) => {
  const folder = newFolder(t), scripts = ["auth", "chat", "presence"].map((name) => path.join(root, `scripts/${name}.lua`));
  writeFileSync(path.join(folder, "shout.lua"), block("lua"));
  const server = await startServer(t, { set: { scripts: [...scripts, path.join(folder, "shout.lua")] } });
  const alice = await person(t, server, "alice");
  await alice.join("lobby");
  const shout = (i) => alice.socket.emitWithAck("shout", { channelId: "lobby", clientId: `c${i}`, text: "hello" });
  const answers = await Promise.all([1, 2, 3, 4].map(shout));
  assert.deepEqual(answers.slice(0, 3), [1, 2, 3].map((seq) => ({ ok: true, seq })));
  assert.equal(answers[3].error.code, "rate_limited");
  await alice.next("message:new", ({ content }) => content === "HELLO");
  assert.equal((await alice.socket.emitWithAck("shout", "hello")).error.code, "bad_request");
});
