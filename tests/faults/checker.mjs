// SPDX-License-Identifier: Apache-2.0
// Checks the history of a run and the stored log against the promises: an array of violations, each one line. The numbers
// are those of docs/guarantees.md.
//
// The history records what a fault has done:
// {type: "nemesis", phase: "start" | "stop"}: its time; messages sent then may come late. only, at the start: the channels
//   that it may stall; it must not affect others.
// {type: "succession", epoch}: another primary has taken over; from now on nothing is acknowledged in an epoch up to this one.
// {type: "deaf", phase: "start" | "stop"}: between these, no acknowledgement can be kept, so there must be none.
// {type: "expelled", client, channel}: the client is no longer a member, and must not get in again.
// {type: "damaged", channel, seq}: the stored content was corrupted on the disk.
// lossy: a promotion or a restored backup may lose acknowledged events, if a reset tells every client that knew of them.

const TAIL_MS = 2000;
const FENCE_MS = 2000; // by then, a worker has heard of the next epoch
const GONE_MS = 10_000; // by then after a fault, presence is right again (G7)
export const AWAY_MS = 5000 + GONE_MS; // by then, a client that left is offline: after the grace, in which the machine may have ended
const SPARED_MS = 1000; // bound of an acknowledgement if the fault is elsewhere
const BLINK_MS = 1000; // a client back by then counts as not away: far below the grace, and below what a killed worker's users get

const key = (...parts) => parts.join("\u0000");

function byChannel(truth) {
  const channels = new Map();
  for (const row of truth) {
    if (!channels.has(row.channel)) channels.set(row.channel, []);
    channels.get(row.channel).push(row);
  }
  return channels;
}

/** I1: each acknowledged event is in the log, under its number. */
function* acknowledgedIsStored(history, stored) {
  for (const event of history) {
    if (event.type !== "ok") continue;
    const row = stored.get(key(event.channel, event.client, event.clientId));
    if (!row) yield `I1 lost: ${event.client} ${event.clientId} was acknowledged as ${event.channel}/${event.seq}`;
    else if (row.seq !== event.seq) yield `I1 renumbered: ${event.clientId} acknowledged as ${event.seq}, stored as ${row.seq}`;
  }
}

/** Events that were acknowledged or delivered but are not in the log. */
function lostEvents(history, truth) {
  const rows = new Set(truth.map((row) => key(row.channel, row.epoch, row.seq)));
  return new Set(history.filter((event) => (event.type === "ok" || event.type === "recv") && !rows.has(key(event.channel, event.epoch, event.seq))));
}

/** I1 if a promotion may lose events: each client that knew of a lost event was told by a reset. */
function* lostIsAnnounced(history, lost) {
  const resets = history.filter(({ type }) => type === "reset");
  for (const event of lost) {
    const told = resets.some((reset) => reset.client === event.client && reset.channel === event.channel && reset.forkSeq < event.seq && reset.epoch !== event.epoch);
    if (!told) yield `I1 lost and not announced: ${event.client} knew ${event.channel}/${event.seq} of ${event.epoch}`;
  }
}

const numberOf = (epoch) => Number(epoch.split("-")[0]);

/** I1 if a promotion may lose events: soon after the first acknowledgement in a new epoch, none is in an older epoch. */
function* overIsOver(history) {
  const began = new Map();
  let succession = null;
  for (const event of history) {
    if (event.type === "succession") succession = event;
    if (event.type !== "ok" || event.duplicate) continue;
    const number = numberOf(event.epoch), latest = began.get(event.channel);
    if (succession && number <= succession.epoch && event.t - succession.t > FENCE_MS)
      yield `I1 by an old primary: ${event.client} ${event.clientId} was acknowledged as ${event.channel}/${event.seq} of ${event.epoch} after the log had gone on elsewhere`;
    if (!latest || number > latest.number) began.set(event.channel, { number, t: event.t });
    else if (number < latest.number && event.t - latest.t > FENCE_MS)
      yield `I1 by an old primary: ${event.client} ${event.clientId} was acknowledged as ${event.channel}/${event.seq} of ${event.epoch} after epoch ${latest.number} began`;
  }
}

/** I1: while nothing can be kept as promised, nothing is acknowledged, except duplicates of events stored before. */
function* deafIsSilent(history) {
  let isDeaf = false;
  for (const event of history) {
    if (event.type === "deaf") isDeaf = event.phase === "start";
    else if (isDeaf && event.type === "ok" && !event.duplicate)
      yield `I1 not kept: ${event.client} ${event.clientId} was acknowledged as ${event.channel}/${event.seq} where nothing could be kept`;
  }
}

/** I1: every later read knows of an acknowledged expulsion. */
function* expelledIsOut(history) {
  const out = new Set();
  for (const event of history) {
    const at = key(event.client, event.channel);
    if (event.type === "expelled") out.add(at);
    else if ((event.type === "join" || event.type === "rejoin") && out.has(at)) yield `I1 back: ${event.client} was let into ${event.channel} after they had been expelled`;
  }
}

/** I2: each channel is 1, 2, 3 … */
function* gapless(channels) {
  for (const [channel, rows] of channels) {
    let expected = 1;
    for (const { seq } of rows) {
      if (seq !== expected) { yield `I2 gap: ${channel} has ${seq} where ${expected} is due`; break; }
      expected += 1;
    }
  }
}

/** I3: an id is stored once, however often it was sent; all its acknowledgements agree. */
function* once(history, truth) {
  const contents = new Map();
  for (const row of truth) {
    if (row.kind !== 0) continue;
    const id = key(row.channel, row.sender, row.content);
    if (row.content && contents.has(id)) yield `I3 twice: ${row.content} is ${row.channel}/${contents.get(id)} and ${row.seq}`;
    contents.set(id, row.seq);
  }
  const answers = new Map();
  for (const event of history) {
    if (event.type !== "ok") continue;
    const id = key(event.channel, event.client, event.clientId);
    if (answers.has(id) && answers.get(id) !== event.seq) yield `I3 two answers: ${event.clientId} as ${answers.get(id)} and ${event.seq}`;
    answers.set(id, event.seq);
  }
}

/** I3: a used id stands for the first content sent with it. (A promotion that loses an acknowledged event frees its id.) */
function* idsAreKept(history) {
  for (const event of history) if (event.type === "reused") yield `I3 reused: ${event.client} ${event.clientId} was taken for something else`;
}

/** I8: a send without an answer is stored once or not at all. */
function* unknownIsOneOfBoth(truth) {
  const ids = new Set();
  for (const row of truth) {
    if (!row.clientId) continue;
    const id = key(row.channel, row.sender, row.clientId);
    if (ids.has(id)) yield `I8 twice: ${row.sender} ${row.clientId} in ${row.channel}`;
    ids.add(id);
  }
}

/** I4: nothing arrives that nobody sent; nothing is stored that was refused, unless a retry succeeded. */
function* noPhantom(history, truth) {
  const sent = new Set(history.filter(({ type }) => type === "invoke" || type === "reused").map(({ content }) => content));
  for (const event of history) {
    if (event.type === "recv" && event.name === "message:new" && event.content && !sent.has(event.content))
      yield `I4 phantom: ${event.client} got ${event.content}`;
  }
  const taken = new Set(history.filter(({ type }) => type === "ok").map((event) => key(event.channel, event.client, event.clientId)));
  const refused = new Set(history.filter((event) => event.type === "fail" && !taken.has(key(event.channel, event.client, event.clientId)))
    .map((event) => key(event.channel, event.client, event.content)));
  for (const row of truth) {
    if (row.kind === 0 && row.content && refused.has(key(row.channel, row.sender, row.content))) yield `I4 refused but stored: ${row.content}`;
  }
}

/** I5: each client gets a channel's numbers one by one, except after an announced gap or reset. */
function* inOrder(history) {
  const cursors = new Map();
  for (const event of history) {
    const at = key(event.client, event.channel);
    if (event.type === "join") cursors.set(at, event.seq);
    else if (event.type === "gap") cursors.set(at, event.to);
    else if (event.type === "reset") cursors.set(at, event.forkSeq);
    else if (event.type === "recv") {
      const before = cursors.get(at);
      if (before !== undefined && event.seq !== before + 1) yield `I5 order: ${event.client} got ${event.channel}/${event.seq} (${event.how}) after ${before}`;
      cursors.set(at, event.seq);
    }
  }
}

/** I6: one number is one content for all clients, and the log has it. */
function* agreement(history, truth, lost) {
  const contents = new Map();
  for (const event of lost) if (event.type === "recv") { yield `I6 not stored: ${event.client} got ${event.channel}/${event.seq}`; break; }
  for (const event of history) {
    if (event.type !== "recv" || event.name !== "message:new" || !event.content) continue;
    const at = key(event.channel, event.epoch, event.seq);
    if (contents.has(at) && contents.get(at) !== event.content) yield `I6 disagreement: ${event.channel}/${event.seq}`;
    contents.set(at, event.content);
  }
  const damaged = new Set(history.filter(({ type }) => type === "damaged").map(({ channel, seq }) => key(channel, seq)));
  for (const row of truth) {
    if (damaged.has(key(row.channel, row.seq))) continue;
    const got = contents.get(key(row.channel, row.epoch, row.seq));
    if (got && row.content && got !== row.content) yield `I6 not what is stored: ${row.channel}/${row.seq}`;
  }
}

/** I7: at the end each client has everything since it joined. */
function* complete(history, channels, lost) {
  const joined = new Map(), got = new Map();
  for (const event of history) {
    const at = key(event.client, event.channel);
    if (event.type === "join" && !joined.has(at)) { joined.set(at, event.seq); got.set(at, new Set()); }
    if (event.type === "recv" && !lost.has(event)) got.get(at)?.add(event.seq);
    if (event.type === "reset" && event.forkSeq < joined.get(at)) joined.set(at, event.forkSeq);
    if (event.type === "gap") for (let seq = event.from; seq <= event.to; seq += 1) got.get(at)?.add(seq);
  }
  for (const [at, since] of joined) {
    const [client, channel] = at.split("\u0000");
    for (const { seq } of channels.get(channel) ?? []) {
      if (seq > since && !got.get(at).has(seq)) { yield `I7 missing: ${client} never got ${channel}/${seq}`; break; }
    }
  }
}

/** I9: a message acknowledged before another was sent has the lower number; sends of one connection keep their order. */
function* realTime(history) {
  const acked = new Map(), orders = new Map();
  for (const event of history) {
    if (event.type === "ok" && !event.retry) acked.set(event.channel, Math.max(acked.get(event.channel) ?? 0, event.seq));
    if (event.type === "invoke") orders.set(key(event.client, event.channel, event.clientId), { after: acked.get(event.channel) ?? 0, n: event.n, fifo: event.fifo });
  }
  const last = new Map();
  for (const event of history) {
    if (event.type !== "ok" || event.duplicate) continue;
    const order = orders.get(key(event.client, event.channel, event.clientId));
    if (order && event.seq <= order.after) yield `I9 real time: ${event.clientId} got ${event.seq}, but ${order.after} was acknowledged before it was sent`;
    if (!order?.fifo || event.retry) continue; // the order holds for sends that were acknowledged at the first try
    const at = key(event.client, event.channel, order.fifo), before = last.get(at);
    if (before && (order.n < before.n) !== (event.seq < before.seq)) yield `I9 swapped: ${event.client} sent ${before.n} and ${order.n}, stored as ${before.seq} and ${event.seq}`;
    last.set(at, { n: order.n, seq: event.seq });
  }
}

/** [from, to] of the faults, including a short time before each. */
function troubles(history) {
  const spans = [];
  for (const event of history) {
    if (event.type !== "nemesis") continue;
    if (event.phase === "start") spans.push([event.t - TAIL_MS, Infinity]);
    else for (const span of spans) span[1] = Math.min(span[1], event.t);
  }
  return spans;
}

/** When each client was connected: [from, to] by its name. */
function stays(history) {
  const spans = new Map();
  for (const { type, client, t } of history) {
    if (type === "connect") spans.set(client, [...(spans.get(client) ?? []), [t, Infinity]]);
    else if (type === "disconnect") spans.get(client).at(-1)[1] = t;
  }
  return spans;
}

/** I10: without a fault, each connected client gets a message within two seconds of the acknowledgement, and not only after
 * a reconnect. */
function* tail(history) {
  const acked = new Map(), spans = troubles(history), there = stays(history);
  for (const event of history) if (event.type === "ok" && !event.retry) acked.set(key(event.channel, event.epoch, event.seq), event.t);
  for (const event of history) {
    const since = event.type === "recv" ? acked.get(key(event.channel, event.epoch, event.seq)) : undefined;
    if (since === undefined || event.t - since <= TAIL_MS || spans.some(([from, to]) => since >= from && since <= to)) continue;
    if (event.how === "live" || there.get(event.client)?.some(([from, to]) => from <= since && since + TAIL_MS <= to))
      yield `I10 late: ${event.client} got ${event.channel}/${event.seq} after ${Math.round(event.t - since)} ms (${event.how})`;
  }
}

/** The reports that a user is offline: {t, client: who was told, user}. */
export function saidOffline(history) {
  return history.filter(({ type, name }) => type === "event" && name === "presence:changed")
    .flatMap(({ t, client, payload }) => (payload.users ?? []).filter(({ status }) => status === "offline").map(({ userId }) => ({ t, client, user: userId })));
}

/** Merges connections with only a blink between them. */
function withoutBlinks(spans) {
  const joined = [];
  for (const [from, to] of spans) {
    if (joined.length && from - joined.at(-1)[1] < BLINK_MS) joined.at(-1)[1] = to;
    else joined.push([from, to]);
  }
  return joined;
}

/** I11: no connected user is reported as offline, except during a fault and the bound after it. A report soon after a
 * connect may still be about the time before. */
function* notFalselyOffline(history) {
  const there = new Map([...stays(history)].map(([client, spans]) => [client, withoutBlinks(spans)]));
  const spans = troubles(history);
  for (const { t, client, user } of saidOffline(history)) {
    if (spans.some(([from, to]) => t >= from && t <= to + GONE_MS)) continue;
    if (there.get(user)?.some(([from, to]) => from + TAIL_MS <= t && t <= to)) yield `I11 not away: ${client} was told at ${Math.round(t)} that ${user} is offline`;
  }
}

/** What each client believes: {client, user, channel, from, to}, the time in which it was last told that the user is online
 * there. A client that reconnects is told again. */
export function beliefs(history) {
  const found = [], held = new Map();
  for (const { type, name, client, payload, t } of history) {
    if (type === "connect") held.set(client, new Map());
    else if (type === "disconnect") for (const belief of held.get(client).values()) belief.to = t;
    if (name !== "presence:changed" || !held.has(client)) continue;
    for (const { userId: user, status } of payload.users ?? []) {
      const at = key(payload.channelId, user), belief = held.get(client).get(at);
      if (status !== "offline" && !belief) {
        held.get(client).set(at, { client, user, channel: payload.channelId, from: t, to: Infinity });
        found.push(held.get(client).get(at));
      } else if (status === "offline" && belief) {
        belief.to = t;
        held.get(client).delete(at);
      }
    }
  }
  return found;
}

/** When each client was away: [from, to] by its name. */
function absences(history) {
  return new Map([...stays(history)].map(([client, spans]) => [client, spans.map(([, to], i) => [to, spans[i + 1]?.[0] ?? Infinity])]));
}

/** I11: no client sees a user who left as online for longer than the bound, not counting a fault and the bound after it. */
function* noGhosts(history) {
  const spans = troubles(history), away = absences(history), end = history.at(-1)?.t ?? 0;
  for (const { client, user, channel, from, to } of beliefs(history)) {
    for (const [left, back] of away.get(user) ?? []) {
      const since = Math.max(from, left), until = Math.min(to, back, end);
      const due = spans.reduce((latest, [start, stop]) => (start <= latest ? Math.max(latest, stop + GONE_MS) : latest), since + AWAY_MS);
      if (until > due) yield `I11 ghost: ${client} took ${user} for online in ${channel} for ${Math.round(until - since)} ms after they had left`;
    }
  }
}

/** I12: after a fault, sends are acknowledged again within its bound. */
function* recovers(history) {
  for (const [i, healed] of history.entries()) {
    if (healed.type !== "nemesis" || healed.phase !== "stop") continue;
    const first = history.slice(i).find(({ type }) => type === "ok");
    if (!first || first.t - healed.t > healed.boundMs) yield `I12 slow: the first acknowledgement came ${first ? Math.round(first.t - healed.t) : "no"} ms after the fault`;
  }
}

/** I12: channels that the fault must not affect go on: sends there are answered as usual. */
function* others(history) {
  const asked = new Map();
  let only = null;
  for (const event of history) {
    if (event.type === "nemesis") { only = event.phase === "start" && event.only ? { t: event.t, channels: event.only } : null; asked.clear(); }
    if (!only || event.retry || only.channels.includes(event.channel)) continue;
    const at = key(event.client, event.clientId);
    if (event.type === "invoke") asked.set(at, event.t);
    else if (event.type === "unknown" && asked.has(at)) yield `I12 spreads: ${event.client} ${event.clientId} was not answered in ${event.channel}, which the fault spares`;
    else if (event.type === "ok" && event.t - asked.get(at) > SPARED_MS)
      yield `I12 spreads: ${event.client} ${event.clientId} waited ${Math.round(event.t - asked.get(at))} ms in ${event.channel}, which the fault spares`;
  }
}

/** I14: each send was answered, or its connection ended. */
function* answered(history) {
  for (const event of history) if (event.type === "silent") yield `I14 silence: ${event.client} ${event.clientId}`;
}

export function check(history, truth, { lossy = false } = {}) {
  const channels = byChannel(truth);
  const stored = new Map(truth.filter(({ clientId }) => clientId).map((row) => [key(row.channel, row.sender, row.clientId), row]));
  const lost = lostEvents(history, truth);
  const kept = lossy ? history.filter((event) => event.type !== "ok" || !lost.has(event)) : history;
  return [
    ...acknowledgedIsStored(kept, stored),
    ...(lossy ? lostIsAnnounced(history, lost) : []),
    ...overIsOver(history),
    ...deafIsSilent(history),
    ...expelledIsOut(history),
    ...gapless(channels),
    ...once(kept, truth),
    ...(lossy ? [] : idsAreKept(history)),
    ...noPhantom(history, truth),
    ...inOrder(history),
    ...agreement(history, truth, lossy ? [] : lost),
    ...complete(history, channels, lost),
    ...unknownIsOneOfBoth(truth),
    ...realTime(kept),
    ...tail(history),
    ...notFalselyOffline(history),
    ...noGhosts(history),
    ...recovers(history),
    ...others(history),
    ...answered(history),
  ];
}
