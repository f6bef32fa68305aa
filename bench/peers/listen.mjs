// SPDX-License-Identifier: Apache-2.0
// What the peers in Node.js have in common: a server, over TLS if BENCH_CERTIFICATE names a file, on a free port.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

export function newServer() {
  const file = process.env.BENCH_CERTIFICATE;
  if (!file) return http.createServer();
  const pem = readFileSync(file);
  return https.createServer({ cert: pem, key: pem });
}

export function listen(server) {
  server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => console.log(`listening ${server.address().port}`));
}
