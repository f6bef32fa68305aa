// SPDX-License-Identifier: Apache-2.0
// A stage for faults (stage.mjs): one machine, the real binary on SQLite. fleet.mjs is the other kind of stage.

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { literal } from "./fleet.mjs";
import { Server } from "./server.mjs";

export class Alone {
  /** set: settings; env, wrap, config: as for the server. */
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

  /** The errors in the store that SQLite and `stoa verify` find. */
  async damage() {
    const word = this.server.integrity(), { code, text } = await this.server.command("verify");
    return [...(word === "ok" ? [] : [`I2 integrity: ${word}`]), ...(code === 0 || this.isSpoilt ? [] : [`I2 verify: ${text}`])];
  }

  clean() {
    return this.server.clean();
  }
}
