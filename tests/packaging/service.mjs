// SPDX-License-Identifier: Apache-2.0
// Runs the service of a systemd unit without systemd.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { run } from "./machine.mjs";

const DEADLINE_MS = 30_000, POLL_MS = 20;
const helper = fileURLToPath(new URL("service.py", import.meta.url));

/** Waits until check() is truthy (a promise is awaited): its value. At the deadline, fails with `what` and story(). */
export async function until(what, check, story = () => "") {
  for (const end = Date.now() + DEADLINE_MS; ; ) {
    const result = await check();
    if (result) return result;
    if (Date.now() > end) assert.fail(`not within ${DEADLINE_MS} ms: ${what}\n${story()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS)); // between two looks
  }
}

/** Collects the lines of a process's stdout and stderr; `ended` is its exit status, once there is one. */
export function watch(child) {
  const watched = { states: [], log: [], ended: undefined, end: () => child.kill("SIGTERM"), kill: () => child.kill("SIGKILL") };
  createInterface({ input: child.stdout }).on("line", (line) => watched.states.push(line));
  createInterface({ input: child.stderr }).on("line", (line) => watched.log.push(line));
  child.on("close", (code, signal) => (watched.ended = code ?? signal));
  return watched;
}

/** Runs ExecStart of the unit (a path in root), in root. */
export function startService(root, unit) {
  const service = watch(spawn("python3", [helper, root, path.join(root, unit)], { stdio: ["ignore", "pipe", "pipe"] }));
  const text = readFileSync(path.join(root, unit), "utf8");
  service.pid = () => service.states[0]?.split(" ")[1];
  /** Runs ExecReload of the unit. */
  service.reload = () => {
    const command = text.match(/^ExecReload=(.*)$/m)[1].replace("$MAINPID", service.pid());
    run("chroot", "--userspec=stoa:stoa", root, ...command.split(" "));
  };
  return service;
}

/** The notified states after the first `count`. */
export const statesAfter = (service, count) => service.states.slice(count);

export async function fetchText(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) });
  return { status: response.status, text: await response.text() };
}
