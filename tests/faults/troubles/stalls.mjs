// SPDX-License-Identifier: Apache-2.0
// A store that is stalled or slow: channels that it does not affect go on, and a node that ends meanwhile ends well.

import assert from "node:assert/strict";
import { until } from "../server.mjs";
import { nemesis } from "../stage.mjs";

/** Another transaction locks the heads of these channels for that time. */
const lockHeads = (postgres, channels, seconds) => Promise.all(channels.map((channel) =>
  postgres.sql("shard0", `BEGIN; SELECT FROM channel_heads WHERE channel_id = '${channel}' FOR UPDATE; SELECT pg_sleep(${seconds}); COMMIT`)));

const heads = {
  name: "N17 two locked heads stall only their channels, with eight workers' default pools",
  stage: {
    nodes: 1, workers: 8, shards: 3, set: Object.fromEntries(["write", "read", "min", "idle_s"].map((name) => [`postgres.pool.${name}`, undefined])),
    load: { clients: 72, channels: 9, rate: 150, loyal: true, reconnects: 0, ackMs: 7000, silentMs: 9000 },
  },
  act: async ({ postgres }, load) => {
    await load.progress(60);
    const here = (await postgres.sql("shard0", "SELECT channel_id FROM channel_heads ORDER BY channel_id")).split("\n");
    assert.ok(here.length >= 3, `only ${here.length} channels are on the shard`);
    const only = here.slice(0, 2), from = load.history.length;
    await nemesis(load, 3000, () => lockHeads(postgres, only, 7), { only });
    assert.ok(load.history.slice(from).some(({ type, channel, code }) => only.includes(channel) && type === "unknown" && code === "unavailable"), "nobody was refused in the locked channels");
    await load.progress(60);
  },
};

const goodbye = {
  name: "N30 a node ends in time while its store stands still",
  stage: { load: { clients: 12, rate: 120, ackMs: 7000, silentMs: 12_000, reconnects: 0 } },
  act: async ({ postgres, nodes: [node] }, load) => {
    for (const answersAt of ["the goodbye's end", "no time"]) {
      await load.progress(60);
      await nemesis(load, 6000, async () => {
        await postgres.act("stop", "shard0");
        await until("sends wait", () => load.speaking.size >= 6);
        const began = performance.now(), end = node.stop();
        if (answersAt !== "no time") {
          await until("the goodbye is over", () => node.line(/drain state=over .*appends=[1-9]/) || node.ended);
          await postgres.act("go", "shard0");
        }
        assert.deepEqual(await end, { code: 0, signal: null });
        assert.ok(performance.now() - began < 9000, "it took too long");
        if (answersAt === "no time") await postgres.act("go", "shard0");
        await node.start();
      });
    }
    await load.progress(60);
  },
};

export default [heads, goodbye];
