// SPDX-License-Identifier: Apache-2.0
// The example proxy configurations, with the test's ports and certificates, between real clients and real servers.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import net from "node:net";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort } from "../faults/server.mjs";
import { inside, makeDebian, run, skipUnlessPossible } from "./machine.mjs";
import { until, watch } from "./service.mjs";

skipUnlessPossible();
const SITE = "chat.example.org";
const source = fileURLToPath(new URL("../..", import.meta.url));
const root = makeDebian(process.env.STOA_PACKAGES, "proxies", "haproxy, nginx-light"); // the proxies are installed there, not on this machine
const at = (name) => path.join(root, "srv", name);
const started = [];
after(async () => {
  started.forEach((child) => child.end());
  await until("the end of all", () => started.every((child) => child.ended !== undefined)).catch(() => started.forEach((child) => child.kill()));
  rmSync(root, { recursive: true, force: true });
});

function start(command, ...args) {
  const child = watch(spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] }));
  started.push(child);
  return child;
}

/** A server whose page has its name. */
async function startServer(name, ...sets) {
  mkdirSync(at(name));
  writeFileSync(path.join(at(name), "index.html"), `<html>${name}</html>`);
  const settings = ["listen=127.0.0.1:0", `store.path=${at(`${name}.db`)}`, "control=", `hosts={"${SITE}"}`, `static_folder=${at(name)}`, ...sets];
  const server = start(process.env.STOA_BINARY, "serve", "--config", path.join(source, "config/stoa.lua"), ...settings.flatMap((set) => ["--set", set]));
  const ready = () => server.log.map((line) => line.match(/server\.ready listen="?([^\s"]+)/)).find(Boolean);
  await until("the server", () => ready() || server.ended !== undefined);
  assert.ok(ready(), server.log.join("\n"));
  server.address = ready()[1];
  return server;
}

/** Copies an example with some texts replaced; each must occur. Returns the path in root. */
function example(name, changes) {
  let text = readFileSync(path.join(source, "packaging", name), "utf8");
  for (const [from, to] of changes) {
    assert.ok(text.includes(from), `${name}: ${from}`);
    text = text.replaceAll(from, to);
  }
  writeFileSync(at(name), text);
  return `/srv/${name}`;
}

/** A request over its own connection: { status, body }, or { status: 101, first } with the server's first frame. */
function request(port, target, { headers = {}, from = "127.0.0.2", method = "GET", pieces = [] } = {}) {
  const options = { host: "127.0.0.1", port, localAddress: from, path: target, method, agent: false, rejectUnauthorized: false, servername: SITE, headers: { host: SITE, ...headers } };
  return new Promise((resolve, reject) => {
    const client = https.request(options, async (response) => {
      const chunks = await response.setEncoding("utf8").toArray();
      resolve({ status: response.statusCode, body: chunks.join("") });
    });
    client.setTimeout(10_000, () => client.destroy(new Error("no answer")));
    client.on("error", reject).on("upgrade", (response, socket, head) => {
      const take = (bytes) => {
        resolve({ status: response.statusCode, first: bytes.subarray(2).toString() });
        socket.destroy();
      };
      if (head.length) take(head);
      else socket.once("data", take);
    });
    for (const piece of pieces) client.write(piece); // in chunks
    client.end();
  });
}

const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "c3RvYXN0b2FzdG9hc3RvYQ==", origin: `https://${SITE}` };

const trusted = 'net.trusted_proxies={"127.0.0.1"}';

const addresses = Array.from({ length: 24 }, (_, i) => `127.0.0.${i + 2}`);

/** A session by polling alone: handshake, a chunked body, an answer. All requests must reach the server that has the session. */
async function polls(port, from) {
  const ask = (query, options) => request(port, `/socket.io/?EIO=4&transport=polling${query}`, { from, ...options });
  const { sid } = JSON.parse((await ask("")).body.slice(1));
  assert.deepEqual(await ask(`&sid=${sid}`, { method: "POST", pieces: ["4", `0{"user":"at-${from.replaceAll(".", "-")}"}`] }), { status: 200, body: "ok" });
  assert.match((await ask(`&sid=${sid}`)).body, /^40\{"sid":/);
}

async function holds(port, servers) {
  const answers = () => request(port, "/").catch(() => false);
  const page = await until("the proxy", async () => (await answers()) || false);
  assert.equal(page.status, 200);
  assert.match(page.body, /<html/);
  const socket = async (headers) => request(port, "/socket.io/?EIO=4&transport=websocket", { headers: { ...upgrade, ...headers } });
  for (const site of [SITE, `${SITE}:${port}`]) {
    const own = await socket({ host: site, origin: `https://${site}` });
    assert.equal(own.status, 101, site);
    assert.match(own.first, /0\{"sid":/);
  }
  assert.equal((await socket({ origin: "https://elsewhere.example.org" })).status, 403);
  assert.equal((await request(port, "/metrics")).status, 403);
  await until("the client's address in the log", () => servers.some(({ log }) => log.some((line) => /request\.rejected .*address=127\.0\.0\.2/.test(line))), () => servers[0].log.join("\n"));
  const pages = await Promise.all(addresses.map((from) => request(port, "/", { from })));
  assert.equal(new Set(pages.map(({ body }) => body)).size, servers.length, "all servers are used");
  await Promise.all(addresses.map((from) => polls(port, from)));
}

run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", `/CN=${SITE}`, "-keyout", at("key"), "-out", at("certificate"));
writeFileSync(at("pem"), readFileSync(at("certificate"), "utf8") + readFileSync(at("key"), "utf8"));

test("HAProxy passes pages, WebSockets, polling and the client's address to several servers", async () => {
  const servers = [await startServer("haproxy-one", "net.proxy_protocol=true", trusted), await startServer("haproxy-two", "net.proxy_protocol=true", trusted)];
  const port = await freePort();
  const config = example("haproxy.cfg", [
    ["bind :80", `bind 127.0.0.1:${await freePort()}`],
    ["bind :443", `bind 127.0.0.1:${port}`],
    ["/etc/haproxy/chat.example.org.pem", "/srv/pem"],
    ["10.0.0.11:3000", servers[0].address],
    ["10.0.0.12:3000", servers[1].address],
    ["maxconn 50000", "maxconn 100"],
  ]);
  inside(root, "haproxy", "-c", "-f", config);
  start("chroot", root, "/usr/sbin/haproxy", "-db", "-f", config);
  await holds(port, servers);
});

test("nginx passes pages, WebSockets, polling and the client's address to several servers", async () => {
  const servers = [await startServer("nginx-one", trusted), await startServer("nginx-two", trusted)], port = await freePort();
  const config = example("nginx.conf", [
    ["listen 443", `listen 127.0.0.1:${port}`],
    ["/etc/nginx/chat.example.org.crt", "/srv/certificate"],
    ["/etc/nginx/chat.example.org.key", "/srv/key"],
    ["10.0.0.11:3000", servers[0].address],
    ["10.0.0.12:3000", servers[1].address],
  ]);
  writeFileSync(at("main.conf"), `daemon off; error_log stderr; events {} http { access_log off; include ${config}; }`);
  inside(root, "nginx", "-t", "-c", "/srv/main.conf");
  start("chroot", root, "/usr/sbin/nginx", "-c", "/srv/main.conf");
  await holds(port, servers);
});
