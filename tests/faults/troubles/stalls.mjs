// A store that stands still, or is slow: who is not concerned goes on, and whatever ends meanwhile ends well.

import assert from "node:assert/strict";
import { until } from "../server.mjs";
import { nemesis } from "../stage.mjs";

/** Somebody holds the heads of these channels for so long. */
const lockHeads = (postgres, channels, seconds) => Promise.all(channels.map((channel) =>
  postgres.sql("shard0", `BEGIN; SELECT FROM channel_heads WHERE channel_id = '${channel}' FOR UPDATE; SELECT pg_sleep(${seconds}); COMMIT`)));

const heads = {
  name: "N17 two locked heads stall their channels only, with the pools that a node of eight workers has by default",
  stage: {
    nodes: 1, workers: 8, shards: 3, set: Object.fromEntries(["write", "read", "min", "idle_s"].map((name) => [`postgres.pool.${name}`, undefined])),
    load: { clients: 60, channels: 12, rate: 120, loyal: true, reconnects: 0, ackMs: 7000, silentMs: 9000 },
  },
  act: async ({ postgres }, load) => {
    await load.progress(60);
    const here = (await postgres.sql("shard0", "SELECT channel_id FROM channel_heads ORDER BY channel_id")).split("\n");
    assert.ok(here.length > 3, `only ${here.length} channels are on the shard`);
    const only = here.slice(0, 2), from = load.history.length;
    await nemesis(load, 3000, () => lockHeads(postgres, only, 7), { only });
    assert.ok(load.history.slice(from).some(({ type, channel, code }) => only.includes(channel) && type === "unknown" && code === "unavailable"), "nobody was refused in the locked channels");
    await load.progress(60);
  },
};

const goodbye = {
  name: "N30 a node ends in time while its store stands still: what was under way is stored or not, and nothing is used after its end",
  stage: { load: { clients: 12, rate: 120, ackMs: 7000, silentMs: 12_000, reconnects: 0 } },
  act: async ({ postgres, nodes: [node] }, load) => {
    for (const name of ["shard0", "global"]) {
      await load.progress(60);
      await nemesis(load, 6000, async () => {
        const from = load.speaking.size;
        await postgres.act("stop", name);
        if (name === "shard0") await until("sends wait", () => load.speaking.size >= Math.max(from, 3));
        const began = performance.now();
        assert.deepEqual(await node.stop(), { code: 0, signal: null });
        assert.ok(performance.now() - began < 9000, "it took too long");
        await postgres.act("go", name);
        await node.start();
      });
    }
    await load.progress(60);
  },
};

export default [heads, goodbye];
