// SPDX-License-Identifier: Apache-2.0
// A small disk that can be filled: a tmpfs, so it needs root.

import { join } from "node:path";
import { run } from "./fleet.mjs";

export class Disk {
  constructor(folder) {
    Object.assign(this, { folder, ballast: join(folder, "ballast") });
  }

  static async mount(folder, megabytes) {
    await run("mount", "-t", "tmpfs", "-o", `size=${megabytes}m,mode=755`, "tmpfs", folder).catch((error) => {
      throw Object.assign(new Error(`no tmpfs can be mounted: ${error.message}`), { isLack: true });
    });
    return new Disk(folder);
  }

  /** dd ends with an error when the disk is full. */
  async fill() {
    await run("dd", "if=/dev/zero", `of=${this.ballast}`, "bs=64k").catch(() => {});
    await run("dd", "if=/dev/zero", `of=${this.ballast}-2`, "bs=512").catch(() => {});
  }

  async free() {
    await run("rm", "-f", this.ballast, `${this.ballast}-2`);
  }

  async unmount() {
    await run("umount", "-l", this.folder);
  }
}
