// SPDX-License-Identifier: Apache-2.0
// The differences that docs/wire.md lists: a test that knows differences by name compares its list with this one.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

/** Fails unless the table under that heading of docs/wire.md names exactly these. */
export function assertDocumented(heading, names) {
  const page = readFileSync(new URL("../docs/wire.md", import.meta.url), "utf8");
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  assert.ok(section, `docs/wire.md has no "${heading}"`);
  const rows = [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(rows.sort(), [...new Set(names)].sort(), `docs/wire.md, "${heading}": its names and the test's differ`);
}
