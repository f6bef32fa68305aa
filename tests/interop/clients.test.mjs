// SPDX-License-Identifier: Apache-2.0
// WebSocket clients in other languages at /ws and at a path of a script, plain and over TLS 1.2 and 1.3: all run the same scenes.
//
// A client is a program (programs.mjs): SCENE URL CA TLS DEFLATE.
import { execFileSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { file, newFolder, startServer, within } from "../scenes/harness.mjs";
import { built, chosen, here, holds, prepare, run } from "./programs.mjs";

const promises = {
  connects: "it connects, with the extensions and the TLS that it asked for",
  authenticates: "it is let in by its name",
  large: "100 kB come back as they went",
  parts: "100 kB in fragments come back as they went",
  burst: "20 messages in a burst are answered in their order",
  pong: "its ping is answered",
  pings: "it answers the server's pings, and stays",
  closes: "its close comes back with its code",
  binary: "binary is refused with 1003",
  bytes: "at the path of a script, 100 kB of binary come back as they went",
  refused: "without a name it is refused with 4401",
  distrust: "it does not trust the server without the test's CA",
  resumes: "its second connection resumes the TLS session of the first",
  drain: "a server that ends closes it with 1012 and when to come back",
};
const scenes = {
  talk: ["connects", "authenticates", "large", "parts", "burst", "pong", "pings", "closes"],
  binary: ["binary"],
  bytes: ["bytes"],
  refused: ["refused"],
  distrust: ["distrust"],
  resumes: ["resumes"],
  drain: ["drain"],
};

const clients = {
  python: {
    needs: `${built}/python/bin/python`, // made by ./dev
    build: ["true"],
    command: [`${built}/python/bin/python`, `${here}/python/websockets_client.py`],
  },
  libwebsockets: {
    needs: "cc",
    build: ["sh", "-c", `cc -O1 -Wall -Wextra -Werror -o ${built}/lws_client ${here}/c/lws_client.c $(pkg-config --cflags --libs libwebsockets openssl)`],
    command: [`${built}/lws_client`],
    lacks: {
      deflate: "libwebsockets 4.1 never gets past a message that the server did not compress",
      closes: "libwebsockets does not tell what its close is answered with",
      resumes: "libwebsockets 4.1 keeps no TLS sessions",
    },
  },
  java: {
    needs: "javac",
    build: ["javac", "-encoding", "UTF-8", "-d", `${built}/java`, `${here}/java/Client.java`],
    command: ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", `${built}/java`, "Client"],
    lacks: { deflate: "java.net.http offers no extensions", resumes: "java.net.http does not tell of its TLS sessions" },
  },
  gorilla: {
    needs: "go",
    build: ["go", "build", "-C", `${here}/go`, "-o", `${built}/go_client`, "."],
    command: [`${built}/go_client`, "gorilla"],
  },
  coder: {
    needs: "go",
    build: ["go", "build", "-C", `${here}/go`, "-o", `${built}/go_client`, "."],
    command: [`${built}/go_client`, "coder"],
  },
  tungstenite: {
    needs: "cargo",
    build: ["cargo", "build", "--quiet", "--locked", "--manifest-path", `${here}/rust/Cargo.toml`, "--target-dir", `${built}/rust`],
    command: [`${built}/rust/debug/client`],
    lacks: { deflate: "tungstenite has no extensions" },
  },
};

const folder = newFolder(file);
const pem = (name) => path.join(folder, `${name}.pem`);
const openssl = (...arguments_) => execFileSync("openssl", arguments_, { stdio: "ignore" });
const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
openssl("req", "-x509", ...newKey, "-days", "2", "-subj", "/CN=The CA of a test", "-addext", "keyUsage=critical,keyCertSign",
  "-keyout", pem("ca-key"), "-out", pem("ca"));
openssl("req", "-x509", ...newKey, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
  "-addext", "basicConstraints=critical,CA:FALSE", "-CA", pem("ca"), "-CAkey", pem("ca-key"), "-keyout", pem("key"), "-out", pem("certificate"));

const set = {
  scripts: ["../scripts/auth.lua", "../tests/scenes/stage.lua", "../tests/interop/echo.lua"],
  ping_interval_ms: 100,
  ping_timeout_ms: 2000,
};
const plain = await startServer(file, { set });
const secure = await startServer(file, { set: { ...set, "tls.certificate": pem("certificate"), "tls.key": pem("key") } });

const ways = [
  { name: "plain", tls: "", url: `ws://127.0.0.1:${plain.port}/ws` },
  ...["1.2", "1.3"].map((tls) => ({ name: `TLS ${tls}`, tls, url: `wss://127.0.0.1:${secure.port}/ws` })),
];

const begin = (client, scene, way, { url = way.url, ca = pem("ca"), deflate = false } = {}) =>
  run(client.command, scene, url, ca, way.tls, deflate ? "deflate" : "");
const ofScene = (scene) => Object.fromEntries(scenes[scene].map((promise) => [promise, promises[promise]]));

/** Runs all scenes of a client, one after the other. */
async function meets(t, client, way) {
  const { lacks = {} } = client;
  const act = (scene, options, what = way.name) => holds(t, `${what}, ${scene}`, ofScene(scene), begin(client, scene, way, options), lacks);
  const echo = way.url.replace("/ws", "/echo");
  await act("talk");
  if (lacks.deflate) await t.test(`${way.name} with deflate`, (t) => t.skip(lacks.deflate));
  else await act("talk", { deflate: true }, `${way.name} with deflate`);
  await act("binary");
  await act("refused");
  await act("bytes", { url: echo, deflate: !lacks.deflate });
  if (way.tls === "") return;
  await act("distrust", { ca: "" });
  if (lacks.resumes) await t.test(`${way.name}: ${promises.resumes}`, (t) => t.skip(lacks.resumes));
  else await act("resumes");
}

const drained = []; // [name, client, way]

for (const [name, client] of chosen(clients)) {
  test(name, async (t) => {
    if (!(await prepare(t, client))) return;
    await Promise.all(ways.map((way) => meets(t, client, way)));
    drained.push(...ways.map((way) => [name, client, way]));
  });
}

test("servers that end", async (t) => {
  const running = drained.map(([name, client, way]) => [`${name}, ${way.name}`, begin(client, "drain", way)]);
  for (const [what, { waiting, ended }] of running) await within(`${what} is connected`, Promise.race([waiting, ended]));
  await Promise.all([plain.stop(), secure.stop()]);
  for (const [what, one] of running) await holds(t, what, ofScene("drain"), one);
});
