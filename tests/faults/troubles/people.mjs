// SPDX-License-Identifier: Apache-2.0
// Who comes and goes at the wrong moment.

import assert from "node:assert/strict";

const BREAKS = 6;

/** So many leave for good, each as the server is at their way back into the channels. */
async function leaveHalfway({ random }, load, leavers) {
  for (const client of leavers) {
    load.leave(client);
    for (let i = 0; i < BREAKS; i += 1) await client.breakOff(load.channels, [0, random() * 12, "halfway"][i % 3]).catch(() => {});
  }
}

const ghosts = (name, more) => ({
  name: `N38 connections that break while their channels are followed again leave nobody online who is not there (${name})`,
  stage: { ...more, load: { clients: 12, rate: 100, reconnects: 0 } },
  act: async (stage, load) => {
    await load.progress(60);
    await leaveHalfway(stage, load, load.clients.slice(4));
    await load.progress(40);
    assert.equal(load.gone.size, 8);
  },
});

export default [ghosts("one machine", { alone: true }), ghosts("a fleet", { set: { "presence.grace_ms": 1000 } })];
