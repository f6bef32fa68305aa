// SPDX-License-Identifier: Apache-2.0
// Clients that come and go at the wrong moment.

import assert from "node:assert/strict";

const BREAKS = 6;

/** The leavers go for good, each with connections that break while the server handles their joins. */
async function leaveHalfway({ random }, load, leavers) {
  for (const client of leavers) {
    load.leave(client);
    for (let i = 0; i < BREAKS; i += 1) await client.breakOff(load.channels, [0, random() * 12, "halfway"][i % 3]).catch(() => {});
  }
}

const ghosts = (name, more) => ({
  name: `N38 a client whose connection breaks during a rejoin does not stay online (${name})`,
  stage: { ...more, load: { clients: 12, rate: 100, reconnects: 0 } },
  act: async (stage, load) => {
    await load.progress(60);
    await leaveHalfway(stage, load, load.clients.slice(4));
    await load.progress(40);
    assert.equal(load.gone.size, 8);
  },
});

export default [ghosts("one machine", { alone: true }), ghosts("a fleet", { set: { "presence.grace_ms": 1000 } })];
