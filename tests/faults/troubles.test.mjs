// SPDX-License-Identifier: Apache-2.0
// troubles.test.mjs AT_ONCE SUBJECT…: runs the troubles of troubles/SUBJECT.mjs, AT_ONCE at a time: the checker finds no broken promise.
// The numbers are those of docs/guarantees.md.

import test from "node:test";
import { face } from "./stage.mjs";

const [atOnce, ...subjects] = process.argv.slice(2);

for (const subject of subjects) {
  const { default: troubles } = await import(`./troubles/${subject}.mjs`);
  test(subject, { concurrency: Number(atOnce) }, async (t) => {
    await Promise.all(troubles.map((trouble) => t.test(trouble.name, { timeout: 120_000 }, (inner) => face(trouble, inner))));
  });
}
