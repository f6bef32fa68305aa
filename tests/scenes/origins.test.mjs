// Which web pages may connect.
import assert from "node:assert/strict";
import { test } from "node:test";
import { file, startServer } from "./harness.mjs";
import { Engine, Wire } from "./raw.mjs";

const FRIEND = "https://friend.example";
const strict = await startServer(file);
const open = await startServer(file, { set: { origins: ["self", FRIEND] } });
const wide = await startServer(file, { set: { origins: ["*"] } });
const cookies = await startServer(file, { set: { origin_required: true } });

// How the three doors answer a page of that origin: their status.
async function doors(t, server, origin) {
  const headers = { cookie: "session=valid", ...(origin === undefined ? {} : { origin }) };
  const engine = new Engine(server, "/socket.io/");
  const polling = await engine.request({ EIO: 4, transport: "polling" }, { headers });
  const opened = async (wire) => wire.opened().then(() => 101, () => wire.closed.status);
  return {
    polling: polling.status,
    websocket: await opened(engine.websocket(t, {}, { headers })),
    plain: await opened(new Wire(t, `${server.url}/ws`, { headers })),
    allowed: polling.headers.get("access-control-allow-origin"),
    credentials: polling.headers.get("access-control-allow-credentials"),
  };
}

const CLOSED = { polling: 403, websocket: 403, plain: 403, allowed: null, credentials: null };

test("by default a page may connect to where it came from, and who is no browser may", async (t) => {
  const own = await doors(t, strict, strict.url);
  assert.deepEqual([own.polling, own.websocket, own.plain], [200, 101, 101]);
  const none = await doors(t, strict, undefined);
  assert.deepEqual([none.polling, none.websocket, none.plain], [200, 101, 101]);
});

for (const origin of ["https://evil.example", "null", `${FRIEND}.evil.example`, `${FRIEND}:8443`, "http://friend.example",
  "https://friendXexample", "https://FRIEND.example", "HTTPS://friend.example", `${FRIEND}.`, `${FRIEND}:443`, `${FRIEND}/`, `${FRIEND} `.repeat(2).trim(),
  "https://user@friend.example", "https://127.0.0.1.evil.example", "file://"]) {
  test(`a page of ${origin} is turned away at every door`, async (t) => {
    assert.deepEqual(await doors(t, strict, origin), CLOSED);
    assert.deepEqual(await doors(t, open, origin), CLOSED);
  });
}

test("where scripts know users by a cookie, who names no origin is turned away as well", async (t) => {
  assert.deepEqual(await doors(t, cookies, undefined), CLOSED);
  const own = await doors(t, cookies, cookies.url);
  assert.deepEqual([own.polling, own.websocket, own.plain], [200, 101, 101]);
});

test("a page that is listed may connect, and reads the answers", async (t) => {
  assert.deepEqual(await doors(t, open, FRIEND), { polling: 200, websocket: 101, plain: 101, allowed: FRIEND, credentials: "true" });
});

test("where every page may connect none may send credentials", async (t) => {
  const { polling, websocket, plain, allowed, credentials } = await doors(t, wide, "https://anyone.example");
  assert.deepEqual({ polling, websocket, plain, allowed, credentials }, { polling: 200, websocket: 101, plain: 101, allowed: "*", credentials: null });
});

test("a preflight is answered for pages that are listed, and for no others", async () => {
  const preflight = (origin) => fetch(`${open.url}/socket.io/?EIO=4&transport=polling`, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" },
  });
  const friend = await preflight(FRIEND);
  assert.equal(friend.headers.get("access-control-allow-origin"), FRIEND);
  assert.match(friend.headers.get("access-control-allow-methods"), /POST/);
  assert.equal((await preflight("https://evil.example")).headers.get("access-control-allow-origin"), null);
});
