// SPDX-License-Identifier: Apache-2.0
// What the peers in Node.js share: a server on a free port, with TLS if BENCH_CERTIFICATE names a file.
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
