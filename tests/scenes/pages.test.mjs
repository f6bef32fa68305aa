// SPDX-License-Identifier: Apache-2.0
// docs/protocol.md and docs/wire.md say what the server does: each of their examples is run, and their tables are complete.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { examplesOf, Walk } from "./exchange.mjs";
import { root, startRedis, startServer } from "./harness.mjs";

const read = (name) => readFileSync(path.join(root, name), "utf8");

test("each example of docs/protocol.md comes out as the page says", async (t) => {
  const key = "the-back-office";
  const server = await startServer(t, { set: { api_keys: [key], "limits.uploads": [1, 60] } });
  const walk = new Walk(t, server, { keys: { "back office": key } });
  for (const example of examplesOf(read("docs/protocol.md"))) await walk.go(example);
});

test("each example of docs/wire.md comes out as the page says", async (t) => {
  const [redis] = startRedis(t);
  const set = { scripts: ["../tests/scenes/stage.lua"], "redis.nodes": [redis], "redis.socketio_adapter": "both" };
  const walk = new Walk(t, await startServer(t, { set }), { redis });
  for (const example of examplesOf(read("docs/wire.md"))) await walk.go(example);
});

// ---- tables: what they list is what the sources have ----

const section = (page, heading) => page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? assert.fail(`no "${heading}"`);
// Of each row of a section's first table the names in its first cell.
const rows = (page, heading) => {
  const [table] = section(page, heading).match(/^\|(?:.*\n\|)*.*$/m);
  return table.split("\n").slice(2).flatMap((row) => [...row.split("|")[1].matchAll(/`([^`]+)`/g)].map(([, name]) => name));
};
const found = (text, pattern) => [...text.matchAll(pattern)].map(([, ...groups]) => groups.join(" "));
const same = (listed, built) => assert.deepEqual([...new Set(listed)].sort(), [...new Set(built)].sort());
const protocol = read("docs/protocol.md");
const steps = examplesOf(protocol).flatMap((example) => example.steps);

test("docs/protocol.md lists each event that scripts handle, and shows it", () => {
  const scripts = ["chat", "chat_messages", "chat_typing", "presence"].map((name) => read(`scripts/${name}.lua`)).join("\n");
  const handled = found(scripts, /protocol\.on\("([^"]+)"|\["(reaction:\w+)"\] = \{/g).map((name) => name.trim());
  const listed = rows(protocol, "Events that clients send");
  same(listed, handled);
  for (const name of listed) assert.ok(steps.some(({ sent, text }) => sent && text.includes(`"event":"${name}"`)), `no example sends ${name}`);
});

test("docs/protocol.md shows each event of the server that it lists", () => {
  for (const name of rows(protocol, "Events that the server sends"))
    assert.ok(steps.some(({ sent, text }) => !sent && text.includes(`"event":"${name}"`)), `no example gets ${name}`);
});

test("docs/protocol.md lists each code of an error", () => {
  const [, sentences] = read("scripts/protocol.lua").match(/local sentences = \{\n([\s\S]*?)\n\}/);
  const [, refusals] = read("core/session/dispatch.c").match(/refusals\[\] = \{\n([\s\S]*?)\n\};/);
  const codes = [...found(sentences, /^ +(\w+) = /gm), ...found(refusals, /= \{"(\w+)"/g)];
  same(rows(protocol, "Answers and error codes"), codes.filter((code) => code !== "unknown")); // ends the connection instead
});

test("docs/protocol.md lists each request of the REST interface, and shows it", () => {
  const listed = rows(protocol, "REST");
  same(listed, found(read("scripts/rest.lua"), /api\.route\("(\w+)", "([^"]+)"/g));
  for (const request of listed) {
    const pattern = new RegExp(`^${request.replace(/\{\w+\}/g, "[^/ ]+")}(\\?| |$)`);
    assert.ok(steps.some(({ sent, text }) => sent && pattern.test(text)), `no example of ${request}`);
  }
});

test("docs/protocol.md lists each end of a connection, with its code", () => {
  const built = found(read("core/session/close_reason.h"), /ROW\(\w+, "([^"]+)", (\d+), (true|false)/g);
  const table = found(section(protocol, "How a connection ends"), /^\| `([^`]+)` \| (\d+|–) \| (yes|no) \|/gm);
  same(table.map((row) => row.replace("–", "0").replace(/yes$/, "true").replace(/no$/, "false")), built);
});

test("docs/wire.md lists each error of a request", () => {
  const messages = found(read("core/wire/engineio.c"), /\[ENGINEIO_\w+\] = "([^"]+)"/g);
  const page = section(read("docs/wire.md"), "Engine.IO as spoken").split("### Errors of a request")[1];
  assert.deepEqual(found(page, /^\| (\d) \| `([^`]+)` \|/gm), messages.map((message, code) => `${code} ${message}`));
});
