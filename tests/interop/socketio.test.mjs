// SPDX-License-Identifier: Apache-2.0
// Socket.IO clients in other languages, over each transport: all run the same scenes.
//
// A client is a program (programs.mjs): SCENE URL TRANSPORTS; TRANSPORTS is "websocket", "polling" or "polling,websocket" (the upgrade).
import path from "node:path";
import { test } from "node:test";
import { file, startServer, within } from "../scenes/harness.mjs";
import { built, chosen, here, holds, prepare, run } from "./programs.mjs";

const scenes = {
  talk: {
    connects: "it is let in, and has the transport that it asked for",
    acks: "its event is answered with what it sent",
    asked: "it answers the server's question",
    binary: "100 kB of bytes come back as they went",
    hears: "it hears what was emitted, and no argument more",
    namespaces: "it joins a second namespace, and keeps the two apart",
  },
  refused: { refused: "it is refused without a name, and in a namespace without its key, and hears why" },
  recovers: { recovers: "it asks for a recovery, and comes back as who it was, with what it missed" },
  returns: { returns: "it comes back by itself" },
};

const jars = `${built}/socketio-java`;
const clients = {
  javascript: { needs: "node", build: ["true"], command: ["node", `${here}/javascript/socketio_client.mjs`] },
  python: {
    needs: `${built}/python/bin/python`, // made by ./dev
    build: ["true"],
    command: [`${built}/python/bin/python`, `${here}/python/socketio_client.py`],
    lacks: { recovers: "python-socketio knows no recovery" },
  },
  java: {
    needs: "mvn",
    build: ["sh", "-c", `mvn -q -B -f ${here}/java/pom.xml dependency:copy-dependencies -DoutputDirectory=${jars} &&
      javac -encoding UTF-8 -cp '${jars}/*' -d ${jars} ${here}/java/SocketIo.java`],
    command: ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", `${jars}:${jars}/*`, "SocketIo"],
    lacks: { recovers: "the Java client knows no recovery" },
  },
  rust: {
    needs: "cargo",
    build: ["cargo", "build", "--quiet", "--locked", "--manifest-path", `${here}/rust/socketio/Cargo.toml`, "--target-dir", `${built}/rust`],
    command: [`${built}/rust/debug/socketio`],
    lacks: {
      asked: "rust_socketio does not answer the server's questions",
      recovers: "rust_socketio knows no recovery",
      binary: { "websocket": "rust_socketio hears no bytes over WebSocket", "polling,websocket": "rust_socketio hears no bytes over WebSocket" },
    },
  },
  go: {
    needs: "go",
    build: ["go", "build", "-C", `${here}/go/socketio`, "-o", `${built}/go_socketio`, "."],
    command: [`${built}/go_socketio`],
    lacks: { binary: { polling: "the Go client may hold bytes and pongs back while it polls, until the session ends" } },
  },
  bare: { needs: "python3", build: ["true"], command: ["python3", `${here}/python/bare_client.py`] },
};

// Short ping interval: python-socketio may disconnect during a poll without telling, and waits for the answer to its poll.
const set = { scripts: ["../scripts/auth.lua", "../tests/scenes/stage.lua"], ping_interval_ms: 1000 };
const ways = ["websocket", "polling", "polling,websocket"];
const server = await startServer(file, { set });
const ready = []; // [name, client]

for (const [name, client] of chosen(clients)) {
  test(name, async (t) => {
    if (!(await prepare(t, client))) return;
    await Promise.all(ways.map(async (way) => {
      const lacks = lackedOver(client, way);
      for (const scene of ["talk", "refused", "recovers"]) {
        if (lacks[scene]) await t.test(`${way}: ${scenes[scene][scene]}`, (t) => t.skip(lacks[scene]));
        else await holds(t, `${way}, ${scene}`, scenes[scene], run(client.command, scene, server.url, way), lacks);
      }
    }));
    ready.push([name, client]);
  });
}

/** {promise: why it cannot} over one transport; where the client has a reason for each transport, that one's. */
function lackedOver({ lacks = {} }, way) {
  return Object.fromEntries(Object.entries(lacks).map(([promise, reason]) => [promise, typeof reason === "string" ? reason : reason[way]]));
}

// All clients at once, because a server ends once.
async function returns(t, first, end) {
  const running = ready.flatMap(([name, client]) => ways.map((way) => [`${name}, ${way}`, run(client.command, "returns", first.url, way)]));
  for (const [what, { waiting, ended }] of running) await within(`${what} is connected`, Promise.race([waiting, ended]));
  await end(first);
  await startServer(file, { ...first.options, set: { ...set, listen: `127.0.0.1:${first.port}` } });
  for (const [what, one] of running) await holds(t, what, scenes.returns, one);
}

test("after SIGKILL", async (t) => returns(t, await startServer(file, { set }), (first) => first.kill()));
test("after SIGTERM", async (t) => returns(t, await startServer(file, { set }), (first) => first.stop()));
