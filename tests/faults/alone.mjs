// SPDX-License-Identifier: Apache-2.0
// One machine: the real binary on SQLite, as a stage for faults (stage.mjs). fleet.mjs is the other kind.

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { literal } from "./fleet.mjs";
import { Server } from "./server.mjs";

export class Alone {
  /** set: settings; env, wrap, config: of the server. */
  constructor({ set = {}, env = {}, wrap = [], config } = {}) {
    const folder = mkdtempSync(join(tmpdir(), "stoa-alone-"));
    const pairs = Object.entries(set).map(([name, value]) => `${name}=${literal(value)}`);
    this.server = new Server({ folder, config, env, set: pairs, wrap: ["setpriv", "--pdeathsig", "KILL", ...wrap] });
    this.nodes = [this.server];
  }

  async start() {
    await this.server.start();
    return this;
  }

  get port() {
    return this.server.port;
  }

  truth() {
    return this.server.truth();
  }

  /** What the store has wrong, as SQLite and as `stoa verify` say. */
  async damage() {
    const word = this.server.integrity(), { code, text } = await this.server.command("verify");
    return [...(word === "ok" ? [] : [`I2 integrity: ${word}`]), ...(code === 0 || this.isSpoilt ? [] : [`I2 verify: ${text}`])];
  }

  clean() {
    return this.server.clean();
  }
}
