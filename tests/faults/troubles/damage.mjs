// SPDX-License-Identifier: Apache-2.0
// Bits that flip on the disk.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { until } from "../server.mjs";
import { nemesis, note } from "../stage.mjs";

/** Flips one bit of a message's content in the middle of a channel: {channel, seq, id}. The server has ended. */
function spoil(server, random) {
  const rows = server.rows("SELECT channel_id AS channel, message_seq AS seq, message_id AS id, content FROM messages WHERE said IS NULL AND content LIKE '%says%' ORDER BY message_seq");
  const row = rows[Math.floor(rows.length * (0.3 + 0.4 * random()))];
  const file = readFileSync(server.database), at = file.indexOf(row.content);
  assert.ok(at > 0 && file.indexOf(row.content, at + 1) < 0, `${row.content} is not there once`);
  file[at + row.content.indexOf("says")] ^= 0x01; // so that no sender wrote this content
  writeFileSync(server.database, file);
  return row;
}

const message = {
  name: "N35 after a bit of a stored message flips, sends go on without a gap",
  stage: { alone: true, load: { rate: 100, followsEpochs: true } },
  act: async (stage, load) => {
    const { server, random } = stage, [alice] = load.clients;
    await load.progress(150);
    let row;
    await nemesis(load, 5000, async () => {
      await server.stop();
      row = spoil(server, random);
      stage.isSpoilt = true;
      note(load, "damaged", { channel: row.channel, seq: row.seq });
      await server.start();
    });
    await until("alice is back", () => alice.open);
    for (let i = 0; i < 5; i += 1) { // the statement fails on this message
      await alice.ask("reaction:add", { channelId: row.channel, messageId: row.id, emoji: "👍" });
      await alice.ask("message:edit", { channelId: row.channel, messageId: row.id, content: "mended" });
      await load.progress(20);
    }
    await load.progress(60);
  },
  after: async (_, { server }) => {
    const { code, text } = await server.command("verify");
    assert.equal(code, 1, text); // it finds the damage
  },
};

export default [message];
