// SPDX-License-Identifier: Apache-2.0
// Runs the programs of docs/clients.md, with another address: they send hello, receive bob's message, and receive bob's next message after
// the server was killed.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { copyFileSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { file, newFolder, root, startServer, until, within } from "../scenes/harness.mjs";
import { person } from "../scenes/people.mjs";
import { built, chosen, here, prepare } from "./programs.mjs";

const SECRET = "thirty-two bytes are the least of it";
const KEY = "0123456789abcdef0123456789abcdef";
const python = `${built}/python/bin/python`;
const jars = `${built}/socketio-java`;

// section: the heading of the program.
const clients = {
  javascript: { section: "JavaScript:", file: "chat.mjs", needs: "node", command: (program) => ["node", program] },
  python: { section: "Python:", file: "chat.py", needs: python, command: (program) => [python, program] },
  java: {
    section: "Java and Android:",
    file: "Chat.java",
    needs: "mvn",
    build: ["mvn", "-q", "-B", "-f", path.join(root, "tests/interop/java/pom.xml"), "dependency:copy-dependencies", `-DoutputDirectory=${jars}`],
    command: (program) => ["java", "-cp", `${jars}/*`, program],
  },
  go: {
    section: "Go:",
    file: "main.go",
    beside: ["go/socketio/go.mod", "go/socketio/go.sum"],
    needs: "go",
    compile: ["go", "build", "-o", "chat", "."],
    command: (program) => [path.join(path.dirname(program), "chat")],
  },
  rust: {
    section: "Rust:",
    file: "main.rs",
    beside: ["rust/socketio/Cargo.toml", "rust/socketio/Cargo.lock"],
    needs: "cargo",
    compile: ["sh", "-c", `sed -i 's/^name = "socketio"$/name = "page"/' Cargo.toml Cargo.lock && mkdir src && mv main.rs src && cargo build --quiet --locked --target-dir ${built}/rust && cp ${built}/rust/debug/page chat`],
    command: (program) => [path.join(path.dirname(program), "chat")],
  },
  bare: { section: "Any language:", file: "frames.py", needs: python, command: (program) => [python, program] },
};

/** The blocks of code under a heading. */
function blocks(section) {
  const page = readFileSync(path.join(root, "docs/clients.md"), "utf8");
  const text = page.split(/^## /m).find((part) => part.startsWith(section));
  return [...text.matchAll(/^```\w+\n([^]*?)^```$/gm)].map(([, code]) => code);
}

function programOf({ section, file: name, beside = [], compile }, url) {
  const [code] = blocks(section);
  assert.match(code, /localhost:3000/);
  const folder = newFolder(file);
  symlinkSync(path.join(root, "tests/scenes/node_modules"), path.join(folder, "node_modules"));
  writeFileSync(path.join(folder, name), code.replace("localhost:3000", url.host));
  for (const other of beside) copyFileSync(path.join(here, other), path.join(folder, path.basename(other)));
  if (compile) execFileSync(compile[0], compile.slice(1), { cwd: folder, timeout: 600_000 });
  return path.join(folder, name);
}

function tokenOf(user) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, exp: Math.floor(Date.now() / 1000) + 600 })}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

/** The lines that the program has printed so far; it ends with the test. */
function start(t, [program, ...arguments_], token) {
  const child = spawn(program, arguments_, { env: { ...process.env, TOKEN: token }, stdio: ["ignore", "pipe", "pipe"] });
  const lines = [];
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", (line) => lines.push(line));
  t.after(() => child.kill("SIGKILL"));
  return lines;
}

for (const [name, client] of chosen(clients)) {
  test(`the page's program in ${name}`, async (t) => {
    if (!(await prepare(t, { build: ["true"], ...client }))) return;
    const set = { "auth.mode": "jwt", "auth.secret": SECRET, api_keys: [KEY], "limits.connects": false };
    const server = await startServer(t, { set });
    const made = await fetch(`${server.url}/api/channels/lobby`, { method: "PUT", headers: { authorization: `Bearer ${KEY}` }, body: JSON.stringify({ name: "Lobby", visibility: "public" }) });
    assert.equal(made.status, 200);
    const bob = await person(t, server, "bob", { auth: { token: tokenOf("bob") }, query: {} });
    await bob.join("lobby");
    const lines = start(t, client.command(programOf(client, new URL(server.url))), tokenOf("alice"));
    const hears = (text) => until(`"${text}" among:\n${lines.join("\n")}`, () => lines.includes(text));
    await bob.next("message:new", ({ userId, content }) => userId === "alice" && content === "hello").catch((error) => assert.fail(`${error.message}\n${lines.join("\n")}`));
    await bob.send("lobby", "are you there?");
    await hears("bob: are you there?");
    await server.kill();
    const next = await startServer(t, { ...server.options, set: { ...set, listen: `127.0.0.1:${server.port}` } });
    const again = await person(t, next, "bob", { auth: { token: tokenOf("bob") }, query: {} });
    await again.join("lobby");
    await again.send("lobby", "and now?");
    await hears("bob: and now?");
    assert.equal(lines.filter((line) => line === "alice: hello").length, 1, lines.join("\n"));
  });
}

if (chosen(clients).some(([name]) => name === "javascript")) {
  test("a client with retries has its sends before the rejoin stored in order", async (t) => {
    const server = await startServer(t, { set: { "limits.connects": false } });
    const alice = await person(t, server, "alice", { query: {}, retries: 10, ackTimeout: 5000 }), bob = await person(t, server, "bob");
    await bob.join("lobby");
    await alice.join("lobby");
    const answers = [];
    const heard = { emitWithAck: (...event) => alice.socket.emitWithAck(...event).then((answer) => (answers.push(answer.error?.code ?? "ok"), answer)) };
    const say = new Function("socket", "randomUUID", `${blocks("JavaScript:")[1]}return say;`)(heard, randomUUID);
    alice.socket.on("connect", () => alice.socket.emit("channel:join", { channelId: "lobby" }));
    alice.break();
    await until("alice is away", () => !alice.socket.connected);
    await within("all is said", Promise.all(["one", "two", "three"].map((content) => say("lobby", content))));
    assert.deepEqual(answers, ["not_joined", "ok", "ok", "ok"]);
    await bob.next("message:new", ({ content }) => content === "three");
    assert.deepEqual(bob.all("message:new").map(({ content }) => content), ["one", "two", "three"]);
  });
}
