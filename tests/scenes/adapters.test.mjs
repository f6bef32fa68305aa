// SPDX-License-Identifier: Apache-2.0
// Stoa and Socket.IO for Node.js on one Redis: they share rooms both ways, in each form of the Redis adapter.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { test } from "node:test";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { encode } from "notepack.io";
import { createClient, createCluster } from "redis";
import { Server } from "socket.io";
import { file, newFolder, startRedis, startServer, until, within } from "./harness.mjs";
import { Person } from "./people.mjs";

const script = (namespaces) => `local stoa = require "stoa"
local function serve(place)
    place.on("enter", function(socket, ...)
        for _, room in ipairs { ... } do socket:join(room) end
        return true
    end)
    place.on("remember", function(socket, value) return socket:set_state(value) end)
    place.on("emit", function(_, how, ...)
        local emitter = place.to(how.to):except(how.except)
        if how.volatile then emitter:volatile() end
        emitter:emit(...)
        return true
    end)
end
serve(stoa)
stoa.hook("server_event", function(event, ...)
    if event == "say" then stoa.emit("said", ...) end
    if event == "add" then local a, b = ... return { sum = a + b, of = stoa.array { a, b } } end
    if event == "break" then error("on purpose") end
    if event == "refuse" then return nil, "no" end
    if event == "wait" then stoa.sleep(0.01) return "waited" end
end)
for _, name in ipairs { ${namespaces.map((name) => `"${name}"`)} } do serve(stoa.of(name)) end
stoa.on("announce", function(_, ...) stoa.broadcast(...) return true end)
`;
const NAMESPACES = ["/", "/side"];

async function redisClient(owner, redis) {
  const [first, ...others] = redis.map((address) => ({ url: `redis://${address}` }));
  const client = others.length > 0 ? createCluster({ rootNodes: [first, ...others] }) : createClient(first);
  client.on("error", () => {}); // the test's conditions notice it
  await client.connect();
  owner.after(() => client.disconnect());
  return client;
}

/** A Node.js server with an adapter that does the same as stoa's script. */
async function startNode(owner, redis, make) {
  const http = createServer(), io = new Server(http);
  owner.after(() => (io.engine.close(), http.close())); // io.close() would write to a Redis that may be gone
  io.adapter(make(await redisClient(owner, redis), await redisClient(owner, redis)));
  for (const name of NAMESPACES) {
    io.of(name).on("connection", (socket) => {
      socket.data = { from: "node" };
      socket.on("enter", (...args) => (socket.join(args.slice(0, -1)), args.at(-1)(true)));
    });
  }
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  const emit = (namespace, how, ...event) => {
    const emitter = io.of(namespace).to(how.to).except(how.except);
    (how.volatile ? emitter.volatile : emitter).emit(...event);
  };
  return { url: `http://127.0.0.1:${http.address().port}`, io, emit };
}

async function startStoa(owner, redis, form, { recovery_s = 0 } = {}) {
  const folder = newFolder(owner), config = path.join(folder, "stoa.lua"), policy = path.join(folder, "policy.lua");
  writeFileSync(config, 'return { scripts = { "policy.lua" } }\n');
  writeFileSync(policy, script(NAMESPACES.slice(1)));
  const server = await startServer(owner, {
    config, folder, expects: /on purpose/,
    set: { "store.path": ":memory:", "redis.mode": redis.length > 1 ? "cluster" : "standalone", "redis.nodes": redis, "redis.socketio_adapter": form, "recovery.window_s": recovery_s },
  });
  server.policy = policy;
  server.voices = {}; // a client in each namespace that tells the server what to emit
  for (const namespace of NAMESPACES) server.voices[namespace] = await new Person(owner, server, "voice", { namespace }).connected();
  server.emit = (namespace, how, ...event) => server.voices[namespace].ask("emit", { to: [], except: [], ...how }, ...event);
  return server;
}

const makers = { classic: createAdapter, sharded: createShardedAdapter };

/** Two stoas and a Node.js server of each form; all know each other when this resolves. */
async function startCompany(owner, form, mode) {
  const redis = startRedis(owner, mode);
  const forms = form === "both" ? ["classic", "sharded"] : [form];
  const stoas = [await startStoa(owner, redis, form), await startStoa(owner, redis, form)];
  const nodes = [];
  for (const each of forms) nodes.push(await startNode(owner, redis, makers[each]));
  for (const { io } of nodes)
    for (const name of NAMESPACES)
      await until(`all servers in ${name}`, async () => (await io.of(name).adapter.serverCount()) === stoas.length + 1);
  return { form, redis, stoas, nodes, servers: [...stoas, ...nodes] };
}

async function person(owner, server, rooms, options) {
  const somebody = await new Person(owner, server, "somebody", options).connected();
  somebody.server = server;
  somebody.namespace = options?.namespace ?? "/";
  somebody.rooms = [somebody.socket.id, ...rooms];
  if (rooms.length > 0) await somebody.ask("enter", ...rooms);
  return somebody;
}

/** Servers of different forms do not hear each other: stoa and servers of the same form reach a Node.js server. */
const reaches = (company, from, to) => from === to || company.stoas.includes(from) || company.stoas.includes(to);

let fences = 0;

/** Waits until earlier events, and their duplicates if any, have arrived: until fences of all servers have, twice in each room. */
async function settled(company, people) {
  for (let round = 0; round < 2; round++) {
    const fence = `fence ${++fences}`;
    const missing = () => people.flatMap((somebody) => somebody.rooms.flatMap((room) => company.servers
      .filter((server) => reaches(company, server, somebody.server))
      .filter((server) => !somebody.heard.some(([name, from, to]) => name === fence && from === company.servers.indexOf(server) && to === room))
      .map((server) => ({ server, namespace: somebody.namespace, room }))));
    // Subscriptions take a while after the join; until then a fence may be lost, and is sent again.
    await until("all to hear all", async () => {
      const open = missing();
      await Promise.all(open.map(({ server, namespace, room }) => server.emit(namespace, { to: [room], except: [] }, fence, company.servers.indexOf(server), room)));
      return open.length === 0;
    });
  }
}

const plain = (value) => JSON.parse(JSON.stringify(value, (_, item) => (item?.type === "Buffer" ? Buffer.from(item).toString("hex") : item)));
const said = (somebody) => somebody.heard.filter(([name]) => name === "said").map((event) => plain(event)).sort();

const companies = new Map();
for (const form of ["classic", "sharded", "both"]) companies.set(form, await startCompany(file, form));
companies.set("sharded on a Cluster", await startCompany(file, "sharded", "cluster"));

for (const [name, company] of companies) {
  const { form } = company;
  const { stoas: [stoa, other], nodes } = company;

  test(`${name}: an emit of any server reaches its receivers everywhere, once`, async (t) => {
    const people = [];
    for (const server of company.servers)
      for (const rooms of [[], ["lobby"], ["kitchen"], ["lobby", "kitchen"], ["lobby", "muted"]]) people.push(await person(t, server, rooms));
    const elsewhere = await person(t, stoa, ["lobby"], { namespace: "/side" });
    people.push(elsewhere, await person(t, nodes[0], ["lobby"], { namespace: "/side" }));
    await settled(company, people);
    const alone = people[2].socket.id, twenty = "12345678901234567890", ten = "é".repeat(10); // as long as an id, for Node.js and for C
    for (const somebody of [people[0], people.at(-3)]) {
      somebody.rooms.push(twenty, ten);
      await somebody.ask("enter", twenty, ten);
    }
    await settled(company, people);
    const cases = [
      { to: [] }, { to: ["lobby"] }, { to: ["lobby", "kitchen"] }, { to: ["lobby"], except: ["muted"] }, { to: [], except: ["kitchen", "muted"] },
      { to: [alone] }, { to: ["lobby"], except: [alone] }, { to: [twenty] }, { to: [ten] }, { to: ["nowhere"] },
      { to: [""] },
    ];
    const payloads = ["text \u2028 é 😀", 1.5, -7, 2 ** 40, null, true, [], {}, { deep: [{ er: [1, "2"] }] }, Buffer.from([0, 1, 255]), { file: Buffer.alloc(300, 7), name: "x" }];
    const expected = new Map(people.map((somebody) => [somebody, []]));
    for (const [i, server] of company.servers.entries()) {
      for (const [j, { to, except = [] }] of cases.entries()) {
        if (to[0] === "" && company.stoas.includes(server)) continue; // there it means everybody
        for (const namespace of NAMESPACES) {
          const event = ["said", i, j, namespace, ...(j === 1 ? payloads : [payloads[j % payloads.length]])];
          for (const somebody of people) {
            const reached = to.length === 0 || to.some((room) => somebody.rooms.includes(room));
            if (somebody.namespace === namespace && reaches(company, server, somebody.server) && reached && !except.some((room) => somebody.rooms.includes(room)))
              expected.get(somebody).push(plain(event));
          }
          await server.emit(namespace, { to, except }, ...event);
        }
      }
    }
    await settled(company, people);
    for (const [somebody, events] of expected) assert.deepEqual(said(somebody), events.sort(), `${company.servers.indexOf(somebody.server)} ${somebody.rooms}`);
    assert.ok(said(people[2]).length > 0 && said(elsewhere).length > 0);
  });

  test(`${name}: a volatile event reaches all who can take it`, async (t) => {
    const people = [];
    for (const server of company.servers) people.push(await person(t, server, ["pier"]));
    await settled(company, people);
    for (const [i, server] of company.servers.entries()) {
      const reached = people.filter((somebody) => reaches(company, server, somebody.server));
      await until("all to hear one", async () => {
        await server.emit("/", { to: ["pier"], except: [], volatile: true }, "said", i);
        return reached.every((somebody) => somebody.all("said").includes(i));
      });
    }
  });

  test(`${name}: a broadcast of stoa reaches all of all namespaces`, async (t) => {
    const people = [];
    for (const server of company.servers) for (const namespace of NAMESPACES) people.push(await person(t, server, [], { namespace }));
    await settled(company, people);
    await stoa.voices["/"].ask("announce", "said", "hello");
    await settled(company, people);
    for (const somebody of people) assert.deepEqual(said(somebody), [["said", "hello"]]);
  });

  for (const [n, { io }] of nodes.entries()) {
    const which = `${name}, Node.js ${n + 1}`;

    test(`${which}: finds stoa's sockets, moves them, and sends them away`, async (t) => {
      const room = `club ${n}`;
      const people = [await person(t, stoa, [room]), await person(t, other, [room]), await person(t, nodes[n], [room])];
      const [alice, bob] = people, side = await person(t, stoa, [room], { namespace: "/side" });
      await settled(company, people);
      await alice.ask("remember", { language: "el" });
      const ids = (found) => found.map(({ id }) => id).sort();
      const found = await io.in(room).fetchSockets();
      assert.deepEqual(ids(found), people.map(({ socket }) => socket.id).sort());
      assert.deepEqual(ids(await io.in(room).except(bob.socket.id).fetchSockets()), [alice.socket.id, people[2].socket.id].sort());
      assert.deepEqual(await io.in("nowhere").fetchSockets(), []);
      assert.deepEqual(ids(await io.of("/side").in(room).fetchSockets()), [side.socket.id]);
      const seen = found.find(({ id }) => id === alice.socket.id), own = found.find(({ id }) => id === people[2].socket.id);
      assert.deepEqual(Object.keys(seen.handshake).sort(), Object.keys(own.handshake).sort());
      assert.deepEqual([...seen.rooms].sort(), [alice.socket.id, room].sort());
      assert.deepEqual([seen.data, seen.handshake.auth, seen.handshake.address, seen.handshake.secure, seen.handshake.xdomain], [{ language: "el" }, {}, "127.0.0.1", false, false]);
      assert.equal(seen.handshake.query.EIO, "4");
      assert.match(seen.handshake.url, /^\/socket\.io\/\?.*EIO=4/);
      assert.match(seen.handshake.headers.host, /^127\.0\.0\.1:/);
      assert.ok(Math.abs(Date.now() - seen.handshake.issued) < 240_000);
      if (io.of("/").adapter.allRooms) {
        const rooms = await io.of("/").adapter.allRooms();
        for (const name of [room, alice.socket.id, bob.socket.id]) assert.ok(rooms.has(name), name);
        assert.ok(!rooms.has(""));
      }

      io.in(alice.socket.id).socketsJoin(["attic", "roof"]);
      alice.rooms.push("attic", "roof");
      await settled(company, [alice]);
      io.in("roof").socketsLeave(["attic", alice.socket.id]); // it keeps its own room
      await until("the leaving", async () => (await io.in("attic").fetchSockets()).length === 0);
      assert.deepEqual(ids(await io.in(alice.socket.id).fetchSockets()), [alice.socket.id]);

      const ends = [], note = (somebody, what) => somebody.socket.on("disconnect", (reason) => ends.push([what, reason]));
      note(alice, "alice"), note(bob, "bob");
      io.in(alice.socket.id).disconnectSockets();
      await until("alice's end", () => ends.length === 1);
      assert.ok(!alice.socket.active);
      const both = await person(t, stoa, []), inSide = both.socket.io.socket("/side", { auth: { user: "somebody" } });
      await until("both namespaces", () => inSide.connected);
      io.in([bob.socket.id, both.socket.id]).disconnectSockets(true);
      await until("the ends", () => !bob.socket.connected && !both.socket.connected && !inSide.connected);
      assert.deepEqual(ends, [["alice", "io server disconnect"], ["bob", "io server disconnect"]]);
      assert.ok(side.socket.connected && people[2].socket.connected);
    });

    test(`${which}: counts the acknowledgements of stoa's clients`, async (t) => {
      const room = `jury ${n}`;
      const people = [await person(t, stoa, [room]), await person(t, other, [room]), await person(t, other, [room]), await person(t, nodes[n], [room])];
      await settled(company, people);
      people.forEach(({ socket }, i) => socket.on("guilty?", (of, vote) => vote(i === 1 ? Buffer.from([1, 2]) : { i, of })));
      const votes = await io.to(room).timeout(10_000).emitWithAck("guilty?", "theft");
      assert.deepEqual(votes.map((vote) => JSON.stringify(plain(vote))).sort(), ['"0102"', ...[0, 2, 3].map((i) => JSON.stringify({ i, of: "theft" }))].sort());
      assert.deepEqual(await io.to("nowhere").timeout(10_000).emitWithAck("guilty?"), []);
      people[2].socket.off("guilty?");
      await assert.rejects(io.to(room).timeout(300).emitWithAck("guilty?", "arson"), (error) => error.responses.length === 3);
    });

    test(`${which}: an event between servers comes to stoa's scripts, and is always answered`, async (t) => {
      const all = (answer) => company.stoas.map(() => answer);
      const ask = async (...event) => plain(await io.serverSideEmitWithAck(...event));
      assert.deepEqual(await ask("add", 1, 2), all({ sum: 3, of: [1, 2] }));
      assert.deepEqual(await ask("wait"), all("waited"));
      assert.deepEqual(await ask("heard, no more"), all(true));
      assert.deepEqual([await ask("break"), await ask("refuse")], [all(null), all(null)]);
      assert.deepEqual(await io.of("/side").serverSideEmitWithAck("nobody's"), all(null));
      const bob = await person(t, stoa, []);
      io.serverSideEmit("say", "from a server");
      await until("both to say it", () => said(bob).length === company.stoas.length);
      assert.deepEqual(said(bob), all(["said", "from a server"]));
    });
  }

  test(`${name}: namespaces come and go with the scripts`, async (t) => {
    const [{ io }] = nodes, later = io.of("/later");
    t.after(() => writeFileSync(stoa.policy, script(NAMESPACES.slice(1))));
    const reload = async (namespaces) => {
      const from = stoa.lines.length;
      writeFileSync(stoa.policy, script(namespaces));
      stoa.signal("SIGHUP");
      await stoa.waitForLine(/reload\.done/, from);
    };
    await reload(["/side", "/later"]);
    await until("stoa in /later", async () => (await later.adapter.serverCount()) === 2);
    const late = await new Person(t, stoa, "somebody", { namespace: "/later" }).connected();
    assert.deepEqual((await later.fetchSockets()).map(({ id }) => id), [late.socket.id]);
    await reload(["/side"]);
    await until("stoa out of /later", async () => (await later.adapter.serverCount()) === 1);
    assert.deepEqual(await later.fetchSockets(), []);
    assert.ok((await io.of("/side").fetchSockets()).length > 0);
  });

  test(`${name}: a client that reconnects to stoa gets what Node.js sent meanwhile`, async (t) => {
    const redis = startRedis(t), away = await startStoa(t, redis, form, { recovery_s: 60 });
    const node = await startNode(t, redis, makers[form] ?? createAdapter);
    const alice = await person(t, away, ["lobby"], { transports: ["websocket"], reconnectionDelay: 300 });
    await until("the room to be heard", () => (node.io.to("lobby").emit("fence"), alice.heard.length > 0));
    alice.break();
    await until("the break", () => !alice.socket.connected);
    node.io.to("lobby").emit("said", 1);
    node.io.to("lobby").volatile.emit("said", "to who is there");
    node.io.to("lobby").emit("said", 2);
    await until("the return", () => alice.socket.connected);
    await until("what was said", () => alice.all("said").length === 2);
    assert.ok(alice.socket.recovered);
    assert.deepEqual(alice.all("said"), [1, 2]);
  });

  if (form === "sharded") continue; // emitters publish in the classic form only

  test(`${name}: an emitter without a server reaches stoa's clients`, async (t) => {
    const emitter = new Emitter(await redisClient(t, company.redis));
    const people = [await person(t, stoa, ["desk"]), await person(t, other, ["desk", "muted"]), await person(t, stoa, ["desk"], { namespace: "/side" })];
    await settled(company, people);
    emitter.to("desk").emit("said", 1, Buffer.from([9]));
    emitter.to("desk").except("muted").emit("said", 2);
    emitter.to(people[1].socket.id).volatile.emit("said", 3);
    emitter.of("/side").emit("said", 4);
    emitter.in(people[0].socket.id).socketsJoin("corner");
    people[0].rooms.push("corner");
    emitter.serverSideEmit("nobody answers");
    await settled(company, people);
    emitter.to("corner").emit("said", 5);
    await settled(company, people);
    assert.deepEqual(people.map(said), [[["said", 1, "09"], ["said", 2], ["said", 5]], [["said", 1, "09"], ["said", 3]], [["said", 4]]]);
    emitter.in("corner").disconnectSockets();
    await until("its end", () => !people[0].socket.connected);
    assert.ok(people[1].socket.connected);
  });

  test(`${name}: older adapters' requests for one socket reach its server`, async (t) => {
    const redis = await redisClient(t, company.redis), responses = await redisClient(t, company.redis), answers = [];
    await responses.subscribe("socket.io-response#/#", (text) => answers.push(JSON.parse(text)));
    const alice = await person(t, stoa, ["desk"]), sid = alice.socket.id;
    await settled(company, [alice]);
    const ask = async (requestId, request, count = 1) => {
      await redis.publish("socket.io-request#/#", JSON.stringify({ uid: "older1", requestId, ...request }));
      return until("all answers", () => {
        const got = answers.filter((answer) => answer.requestId === requestId);
        return got.length === count && got;
      });
    };
    const ids = (await ask("0", { type: 0, rooms: ["desk"] }, 3)).flatMap(({ sockets }) => sockets);
    assert.deepEqual(ids, [sid]);
    assert.deepEqual(await ask("2", { type: 2, sid, room: "attic" }), [{ requestId: "2" }]);
    assert.deepEqual((await ask("0 again", { type: 0, rooms: ["attic"] }, 3)).flatMap(({ sockets }) => sockets), [sid]);
    assert.deepEqual(await ask("3", { type: 3, sid, room: "attic" }), [{ requestId: "3" }]);
    assert.deepEqual((await ask("0 at last", { type: 0, rooms: ["attic"] }, 3)).flatMap(({ sockets }) => sockets), []);
    assert.deepEqual(await ask("4", { type: 4, sid }), [{ requestId: "4" }]);
    await until("its end", () => !alice.socket.connected);
    assert.ok(stoa.voices["/"].socket.connected);
  });

  test(`${name}: events that clients or servers cannot read disconnect nobody`, async (t) => {
    const redis = await redisClient(t, company.redis), emitter = new Emitter(redis);
    const people = [await person(t, stoa, ["desk"]), await person(t, other, ["desk"])];
    await settled(company, people);
    const disconnects = [];
    people.forEach(({ socket }) => socket.on("disconnect", (reason) => disconnects.push(reason)));
    for (const name of ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]) {
      const bytes = JSON.stringify({ uid: "x", requestId: `r ${name}`, type: 7, packet: { type: 2, data: [name], nsp: "/" }, opts: { rooms: ["desk"], except: [], flags: {} } });
      await redis.publish("socket.io-request#/#", bytes);
      await redis.publish("socket.io#/#desk#", encode(["x", { type: 2, data: [name], nsp: "/" }, { rooms: ["desk"], except: [], flags: {} }]));
    }
    emitter.to("desk").emit("said", ...Array.from({ length: 11 }, () => Buffer.from([1])));
    for (const bytes of ["", "{", "{}", "\xc1", "[]", '{"type":4}', '{"uid":"x","type":4,"close":true}', '{"uid":"x","type":4,"opts":{"rooms":"desk"}}',
      '{"uid":"x","type":4,"opts":{"rooms":[null]}}', '{"uid":"x","type":4,"opts":{"rooms":[""]},"close":true}', `{"uid":"x","type":2,"opts":{"rooms":["desk"]},"rooms":["${"x".repeat(200)}",""]}`]) {
      await redis.publish("socket.io-request#/#", bytes);
      await redis.publish("socket.io#/#desk#", bytes);
    }
    emitter.to("desk").emit("said", "still here");
    await settled(company, people);
    for (const somebody of people) assert.deepEqual(said(somebody), [["said", "still here"]]);
    assert.deepEqual(disconnects, []);
    const metrics = await (await fetch(`${stoa.url}/metrics`)).text();
    for (const reason of ["adapter_message", "adapter_join", "reserved_event"]) assert.match(metrics, new RegExp(`^stoa_rejected_total\\{reason="${reason}"\\} [1-9]`, "m"));
  });
}
