// SPDX-License-Identifier: Apache-2.0
// Clients in other languages are programs, called with SCENE and further arguments. A program prints "held PROMISE" for each promise that
// held, "waiting" when the test must act, and exits with 0.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { DEADLINE_MS, root } from "../scenes/harness.mjs";

export const here = path.join(root, "tests/interop");
export const built = path.join(root, "build/interop");
const BUILD_DEADLINE_MS = 600_000;

/** The entries of a table that the command line names; all, if it names none. */
export function chosen(clients) {
  const names = process.argv.slice(2);
  const some = Object.entries(clients).filter(([name]) => names.length === 0 || names.includes(name));
  assert.ok(some.length > 0, `no such client: ${names}`);
  return some;
}

const isThere = (program) => promisify(execFile)("sh", ["-c", `command -v ${program}`]).then(() => true, () => false);

/** Builds the client. False: a tool is missing, and the test is skipped. */
export async function prepare(t, { needs, build }) {
  if (!(await isThere(needs))) {
    t.skip(`no ${needs} here`);
    return false;
  }
  mkdirSync(built, { recursive: true });
  await promisify(execFile)(build[0], build.slice(1), { timeout: BUILD_DEADLINE_MS });
  return true;
}

/** A run of a program: `held`, the promises that held; `ended` and `waiting`, to await. */
export function run([program, ...before], ...arguments_) {
  const child = spawn(program, [...before, ...arguments_], { stdio: ["ignore", "pipe", "pipe"], timeout: 2 * DEADLINE_MS, killSignal: "SIGKILL" });
  const result = { held: new Set(), said: "" };
  child.stderr.on("data", (bytes) => (result.said += bytes));
  result.ended = new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(result) : reject(new Error(`ended with ${code}: ${result.said}`))));
  });
  result.ended.catch(() => {});
  result.waiting = new Promise((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line === "waiting") resolve();
      else if (line.startsWith("held ")) result.held.add(line.slice(5));
      else result.said += `${line}\n`;
    });
  });
  return result;
}

/** Each promise {name: sentence} is a test, and so is the end of the run. lacks: {name: why the client cannot}. */
export async function holds(t, what, promises, running, lacks = {}) {
  const failure = await running.ended.then(() => null, (error) => error);
  for (const [promise, sentence] of Object.entries(promises)) {
    await t.test(`${what}: ${sentence}`, (t) => {
      if (lacks[promise]) t.skip(lacks[promise]);
      else assert.ok(running.held.has(promise), failure?.message ?? running.said);
    });
  }
  await t.test(`${what}: ends well`, () => assert.ifError(failure));
}
