// SPDX-License-Identifier: Apache-2.0
// The chat page in Chromium: what two people see of each other.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { DEADLINE_MS, file, newFolder, root, startServer, until } from "./harness.mjs";

const page_folder = path.join(root, "build/page");
assert.ok(existsSync(path.join(page_folder, "index.html")), `${page_folder} is not there: sh client/build.sh build/page`);

// Without the sandbox, because it does not run as root; without anything that connects to other hosts.
const profile = newFolder(file);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-gpu", "--disable-dev-shm-usage"],
  env: { ...process.env, HOME: profile, XDG_CONFIG_HOME: profile, XDG_CACHE_HOME: profile },
});
file.after(() => browser.close());

// A person's page, signed in; it must throw nothing and log no error on the console.
async function arrive(t, server, name, channel = "lobby") {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("dialog", (dialog) => dialog.accept(page.answer));
  await page.goto(`${server.url}/#${channel}`);
  await page.fill("#name", name);
  await page.click("#signin button");
  await page.waitForSelector("#state.online");
  await page.waitForFunction((title) => document.querySelector("#title").textContent === title, `# ${channel}`);
  return page;
}

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

// The element of the message with that text, in a list.
const message = (page, text, list = "#messages") => page.locator(`${list} .message`).filter({ hasText: text });

async function act(page, text, button) {
  await message(page, text).hover();
  await message(page, text).locator(".actions").getByText(button, { exact: true }).click();
}

const seen = (what, locator) => locator.waitFor().catch((error) => assert.fail(`not seen: ${what}\n${error.message}`));
const hasText = (page, selector, text) => until(`${selector} says "${text}"`, async () => (await page.textContent(selector)).includes(text));

test("two people chat: messages, edits, reactions, deletes and threads are seen by both", async (t) => {
  const server = await startServer(t);
  const alice = await arrive(t, server, "alice");
  const bob = await arrive(t, server, "bob");

  await say(alice, "hello bob");
  await seen("alice's message", message(bob, "hello bob"));
  assert.equal(await message(bob, "hello bob").locator(".who").textContent(), "alice");
  await say(bob, "hello alce");
  await seen("bob's message", message(alice, "hello alce"));

  bob.answer = "hello alice";
  await act(bob, "hello alce", "Edit");
  await seen("the edit", message(alice, "hello alice").getByText("(edited)"));

  await act(alice, "hello alice", "👍");
  await seen("the reaction", message(bob, "hello alice").getByText("👍 1"));
  await message(bob, "hello alice").getByText("👍 1").click();
  await seen("both reactions", message(alice, "hello alice").getByText("👍 2"));

  bob.answer = "hello, alice";
  await act(bob, "hello alice", "Edit");
  await seen("the reactions to what is edited", message(alice, "hello, alice").getByText("👍 2"));

  await act(alice, "hello, alice", "Reply");
  await alice.fill("#reply-text", "a word aside");
  await alice.press("#reply-text", "Enter");
  await seen("the reply in alice's thread", message(alice, "a word aside", "#thread-messages"));
  await message(bob, "hello, alice").getByText("1 reply").click();
  await seen("the reply in bob's thread", message(bob, "a word aside", "#thread-messages"));
  assert.equal(await message(bob, "a word aside").count(), 0, "replies stay out of the channel");

  assert.equal(await message(bob, "hello bob").locator(".actions").getByText("Delete").count(), 0, "only one's own");
  await act(alice, "hello bob", "Delete");
  await message(bob, "hello bob").waitFor({ state: "detached" });
  assert.deepEqual([alice.problems, bob.problems], [[], []]);
});

test("the page shows who is online and who types", async (t) => {
  const server = await startServer(t, { set: { "presence.grace_ms": 200 } });
  const alice = await arrive(t, server, "alice");
  const bob = await arrive(t, server, "bob");
  await seen("bob", alice.locator("#users li.online", { hasText: "bob" }));
  await hasText(alice, "#online", "2 here");
  await bob.selectOption("#status", "busy");
  await seen("bob busy", alice.locator("#users li.busy", { hasText: "bob" }));
  await bob.type("#text", "let me think");
  await hasText(alice, "#typing", "bob is typing");
  assert.equal(await bob.textContent("#typing"), "");
  await bob.press("#text", "Enter");
  await until("nobody types", async () => (await alice.textContent("#typing")) === "");
  await bob.close();
  await hasText(alice, "#online", "1 here");
});

test("the page shows history and counts unread messages", async (t) => {
  const server = await startServer(t);
  const alice = await arrive(t, server, "alice");
  for (const text of ["one", "two", "three"]) await say(alice, text);
  await seen("the last", message(alice, "three"));
  const bob = await arrive(t, server, "bob");
  await seen("history", message(bob, "three"));
  assert.deepEqual(await bob.locator("#messages .content").allTextContents(), ["one", "two", "three"]);
  await bob.fill("#open-name", "elsewhere");
  await bob.press("#open-name", "Enter");
  await hasText(bob, "#title", "# elsewhere");
  await say(alice, "four");
  await seen("one unread", bob.locator("#channels button", { hasText: "lobby" }).locator(".unread", { hasText: "1" }));
});

test("the page reconnects after a restart and misses nothing", async (t) => {
  let server = await startServer(t);
  const alice = await arrive(t, server, "alice");
  const bob = await arrive(t, server, "bob");
  await say(alice, "before");
  await seen("before", message(bob, "before"));
  await server.stop();
  await Promise.all([alice, bob].map((page) => page.waitForSelector("#state:not(.online)")));
  server = await server.restart(t);
  await Promise.all([alice, bob].map((page) => page.waitForSelector("#state.online")));
  await say(alice, "after");
  await seen("after", message(bob, "after"));
  assert.deepEqual(await bob.locator("#messages .content").allTextContents(), ["before", "after"]);
});

test("messages and channel names are shown as plain text", async (t) => {
  const server = await startServer(t, { set: { api_keys: ["key"] } });
  const attack = `<img src=x onerror="document.title='broken into'"><script>document.title='broken into'</script>`;
  await fetch(`${server.url}/api/channels/lobby`, {
    method: "PUT",
    headers: { authorization: "Bearer key" },
    body: JSON.stringify({ name: attack }),
  });
  const alice = await arrive(t, server, "alice");
  const bob = await arrive(t, server, "bob");
  await say(alice, attack);
  await seen("the message itself", message(bob, attack));
  await seen("the name itself", bob.locator("#channels button", { hasText: attack }));
  assert.equal(await bob.locator("#chat img, #chat script").count(), 0);
  for (const page of [alice, bob]) assert.equal(await page.title(), "Stoa");
});

test("the sign-in form tells when the server refuses the name", async (t) => {
  const server = await startServer(t, { set: { "limits.connections_per_user": 1 } });
  await arrive(t, server, "alice");
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(server.url);
  await page.fill("#name", "alice");
  await page.click("#signin button");
  await hasText(page, "#signin-error", "too_many_connections");
});
