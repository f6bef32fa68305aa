// SPDX-License-Identifier: Apache-2.0
// An identity provider: tokens like those of real ones, and a server of public keys that can be down, slow or wrong.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import path from "node:path";
import { SignJWT, exportJWK, generateKeyPair } from "jose";
import { newFolder } from "./harness.mjs";

export const now = () => Math.floor(Date.now() / 1000);

/** A certificate for localhost, and the path of its PEM, which is its own authority. */
export function certificate(owner) {
  const folder = newFolder(owner), [key, pem] = ["key.pem", "certificate.pem"].map((name) => path.join(folder, name));
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", pem], { stdio: "ignore" });
  return { key: readFileSync(key), cert: readFileSync(pem), path: pem };
}

export class Provider {
  keys = []; // {kid, algorithm, privateKey, jwk}: the last one signs
  fetches = 0;
  answer = (reply) => reply.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(this.set));
  #count = 0;
  #server;
  #sockets = new Set();

  static async start(owner, { algorithm = "RS256", tls } = {}) {
    const provider = new Provider();
    provider.algorithm = algorithm;
    provider.tls = tls;
    await provider.rotate();
    await provider.open();
    owner.after(() => provider.close());
    return provider;
  }

  /** The JWK Set: beside keys that sign, one that encrypts, as Keycloak has it. */
  get set() {
    const encrypts = { kty: "RSA", kid: "enc", use: "enc", alg: "RSA-OAEP", n: "sXch", e: "AQAB" };
    return { keys: [...this.keys.map(({ jwk }) => jwk), encrypts] };
  }

  /** A new key signs from now on; `keeps`: the ones before stay in the set. */
  async rotate({ keeps = true } = {}) {
    const { publicKey, privateKey } = await generateKeyPair(this.algorithm, { extractable: true });
    const kid = `key-${++this.#count}`;
    const jwk = { ...(await exportJWK(publicKey)), kid, use: "sig", alg: this.algorithm };
    this.keys = [...(keeps ? this.keys : []), { kid, privateKey, jwk }];
  }

  open() {
    const handle = (_, reply) => {
      this.fetches++;
      this.answer(reply);
    };
    this.#server = this.tls ? https.createServer(this.tls, handle) : http.createServer(handle);
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    return new Promise((resolve) => this.#server.listen(this.port ?? 0, "127.0.0.1", () => {
      this.port = this.#server.address().port;
      resolve();
    }));
  }

  /** The provider is down: nothing listens. */
  close() {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(resolve));
  }

  get url() {
    return `${this.tls ? "https://localhost" : "http://127.0.0.1"}:${this.port}/jwks`;
  }

  /** A token with these claims; iat and exp are added. */
  token(claims, { key = this.keys.at(-1), kid = key.kid } = {}) {
    return new SignJWT({ iat: now(), exp: now() + 600, ...claims }).setProtectedHeader({ alg: this.algorithm, typ: "JWT", kid }).sign(key.privateKey);
  }
}
