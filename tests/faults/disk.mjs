// A small disk of its own, which can be full: a tmpfs, so it needs root.

import { chmodSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./fleet.mjs";

export class Disk {
  static async mount(megabytes) {
    const folder = mkdtempSync(join(tmpdir(), "stoa-disk-"));
    try {
      await run("mount", "-t", "tmpfs", "-o", `size=${megabytes}m,mode=755`, "tmpfs", folder);
    } catch (error) {
      rmdirSync(folder);
      throw error;
    }
    return Object.assign(new Disk(), { folder, ballast: join(folder, "ballast") });
  }

  /** dd ends with an error when there is no more room. */
  async fill() {
    await run("dd", "if=/dev/zero", `of=${this.ballast}`, "bs=64k").catch(() => {});
    await run("dd", "if=/dev/zero", `of=${this.ballast}-2`, "bs=512").catch(() => {});
  }

  async free() {
    await run("rm", "-f", this.ballast, `${this.ballast}-2`);
  }

  async unmount() {
    await run("umount", "-l", this.folder);
    rmdirSync(this.folder);
  }
}
