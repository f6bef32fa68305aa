// SPDX-License-Identifier: Apache-2.0
// A minimal Debian in a folder, in which packages are installed and removed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Runs a command and gives its stdout; throws with its stderr. */
export function run(command, ...args) {
  const result = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26, env: { ...process.env, LC_ALL: "C" } });
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(`${[command, ...args].join(" ")}: ${result.status}\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

/** A new temporary folder. */
export const folder = () => mkdtempSync(path.join(tmpdir(), "stoa-packaging-"));

/** Why such a Debian cannot be made here; "" if it can. */
function obstacle() {
  if (process.getuid() !== 0) return "a chroot needs root";
  const dir = folder();
  const tried = spawnSync("sh", ["-c", `mknod ${dir}/null c 1 3 && : >${dir}/null && chroot / true`], { encoding: "utf8" });
  rmSync(dir, { recursive: true });
  return tried.status === 0 ? "" : `no device nodes or no chroot here: ${tried.stderr.trim()}`;
}

function skip(reason) {
  console.log(`SKIPPED ${process.argv[1]}: ${reason}`);
  process.exit(77);
}

/** Ends the test as skipped (77), with the reason, if such a Debian cannot be made. */
export function skipUnlessPossible() {
  const reason = obstacle();
  if (reason) skip(reason);
}

/** The Debian repositories of this machine's apt: { uri, codename, component }. */
function repositories() {
  const format = "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)";
  const list = () => run("apt-get", "indextargets", "--format", format, "Created-By: Packages").trim().split("\n").map((line) => line.split(" "));
  const found = () => list().filter(([, , , origin]) => origin === "Debian");
  if (!found().length) spawnSync("apt-get", ["-qq", "update"]); // apt's lists were removed
  if (!found().length) skip("apt knows no repository of Debian");
  return found().map(([uri, codename, component]) => ({ uri, codename, component }));
}

/** The settings with which apt reaches them: proxies, snapshot mirrors. */
const acquire = () =>
  run("apt-config", "dump", "Acquire").split("\n").filter((line) => /^Acquire::(https?::|Check-)/i.test(line)).join("\n");

function bootstrap(root, sources, needed) {
  const base = sources.find(({ codename }) => !codename.includes("-"));
  try {
    run("debootstrap", "--variant=minbase", base.codename, root, base.uri);
  } catch (error) {
    rmSync(root, { recursive: true, force: true });
    skip(error.message.split("\n").filter(Boolean).at(-1)); // no network, for example
  }
  const lines = sources.map(({ uri, codename, component }) => `deb ${uri} ${codename} ${component}\n`);
  writeFileSync(path.join(root, "etc/apt/sources.list"), lines.join(""));
  writeFileSync(path.join(root, "etc/apt/apt.conf.d/10acquire"), acquire());
  copyFileSync("/etc/resolv.conf", path.join(root, "etc/resolv.conf"));
  inside(root, "apt-get", "-qq", "update");
  inside(root, "apt-get", "-qq", "--no-install-recommends", "satisfy", "-y", needed);
  inside(root, "apt-get", "clean");
}

/** Runs a command in the Debian at root. */
export const inside = (root, ...command) =>
  run("chroot", root, "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", ...command);

/** A Debian with the packages of `needed` (a Depends line), in a new folder. `cache` keeps the last one of each name for the
 * next time. */
export function makeDebian(cache, name, needed) {
  const tarball = path.join(cache, `${name}-${createHash("sha256").update(needed).digest("hex").slice(0, 12)}.tar`);
  const sources = existsSync(tarball) ? [] : repositories();
  const root = folder();
  try {
    if (sources.length) {
      mkdirSync(cache, { recursive: true });
      bootstrap(root, sources, needed);
      const old = readdirSync(cache).filter((file) => file.startsWith(`${name}-`) && file.endsWith(".tar"));
      old.forEach((file) => rmSync(path.join(cache, file)));
      run("tar", "-C", root, "-cf", `${tarball}.new`, ".");
      renameSync(`${tarball}.new`, tarball);
    } else {
      run("tar", "-C", root, "-xpf", tarball);
    }
  } catch (error) {
    rmSync(root, { recursive: true, force: true });
    throw error;
  }
  chmodSync(root, 0o755); // mkdtemp makes it 0700, but a root must be readable
  return root;
}
