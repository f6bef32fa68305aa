// SPDX-License-Identifier: Apache-2.0
// The chat page: what a person sees of the protocol. State lives in `view`; `paint…` shows it; the SDK keeps it true.

import { io } from "./vendor/socket.io.esm.min.js";
import { Stoa } from "./stoa.js";
import { renderMessage } from "./message.js";

const $ = (id) => document.getElementById(id);
const TYPING_MS = 4000;
const view = { me: null, channel: null, thread: null, channels: new Map(), messages: new Map(), more: false, users: new Map(), typing: new Map() };
let chat;

const fail = (error) => {
  $("notice").textContent = error.retryAfter ? `${error.message} (again in ${error.retryAfter} s)` : error.message;
  setTimeout(() => ($("notice").textContent = ""), 5000);
};

// ---- painting

function paintChannels() {
  const buttons = [...view.channels.values()].sort((a, b) => (a.channelId < b.channelId ? -1 : 1)).map((channel) => {
    const button = document.createElement("button");
    button.textContent = `# ${channel.name || channel.channelId}`;
    button.setAttribute("aria-current", channel.channelId === view.channel);
    if (channel.unread > 0) {
      const unread = document.createElement("span");
      unread.className = "unread";
      unread.textContent = channel.unread;
      button.append(unread);
    }
    button.addEventListener("click", () => open(channel.channelId).catch(fail));
    return button;
  });
  $("channels").replaceChildren(...buttons);
}

function paintMessages() {
  const all = [...view.messages.values()].sort((a, b) => a.messageSeq - b.messageSeq);
  const replies = new Map();
  for (const { threadId, deletedAt } of all) if (threadId && !deletedAt) replies.set(threadId, (replies.get(threadId) ?? 0) + 1);
  const list = $("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const show = (messages) => messages.map((message) => renderMessage(message, view.me, replies.get(message.id) ?? 0, acts));
  list.replaceChildren(...show(all.filter((message) => !message.threadId)));
  if (atEnd) list.scrollTop = list.scrollHeight;
  $("older").hidden = !view.more;
  $("thread").hidden = !view.thread;
  if (view.thread) $("thread-messages").replaceChildren(...show(all.filter(({ id, threadId }) => id === view.thread || threadId === view.thread)));
}

function paintPeople() {
  const here = [...view.users.values()].filter(({ status }) => status !== "offline").sort((a, b) => (a.userId < b.userId ? -1 : 1));
  const count = Math.max(here.length, view.online ?? 0);
  $("online").textContent = count ? `${count} here` : "";
  $("users").replaceChildren(...here.map(({ userId, status, statusMessage }) => {
    const item = document.createElement("li");
    item.className = status;
    item.textContent = userId;
    item.title = statusMessage ?? status;
    return item;
  }));
}

function paintTyping() {
  const now = Date.now();
  const names = [...view.typing].filter(([, until]) => until > now).map(([name]) => name);
  $("typing").textContent = names.length === 0 ? "" : `${names.join(", ")} ${names.length === 1 ? "is" : "are"} typing…`;
}

// ---- what people do

const acts = {
  thread: (message) => {
    view.thread = message.id;
    chat.request("thread:get", { channelId: view.channel, threadId: message.id, limit: 100 })
      .then(({ messages }) => { keep(messages); paintMessages(); $("reply-text").focus(); }).catch(fail);
  },
  react: (message, emoji) => chat.react(view.channel, message.id, emoji, !message.reactions?.[emoji]?.includes(view.me)).catch(fail),
  edit: (message) => {
    const content = prompt("Edit the message", message.content);
    if (content !== null && content.trim() !== "") chat.edit(view.channel, message.id, content).catch(fail);
  },
  remove: (message) => confirm("Delete this message?") && chat.delete(view.channel, message.id).catch(fail),
};

function keep(messages) {
  for (const message of messages) view.messages.set(message.id, message);
}

async function loadHistory(before) {
  const { messages, more } = await chat.request("history:get", { channelId: view.channel, before, limit: 50 });
  keep(messages);
  view.more = more;
  paintMessages();
}

async function open(channelId) {
  Object.assign(view, { channel: channelId, thread: null, messages: new Map(), users: new Map(), online: 0, typing: new Map() });
  const joined = await chat.join(channelId); // presence:changed tells who is here
  view.channels.set(channelId, { channelId, name: channelId, ...view.channels.get(channelId), unread: 0 });
  $("title").textContent = `# ${channelId}`;
  paintChannels();
  paintPeople();
  await loadHistory();
  $("messages").scrollTop = $("messages").scrollHeight;
  markRead(joined.seq);
  $("text").focus();
}

function markRead(seq) {
  if (seq > 0) chat.request("read:mark", { channelId: view.channel, seq }).catch(() => {});
}

async function loadChannels() {
  const { channels } = await chat.request("channel:list");
  for (const channel of channels) view.channels.set(channel.channelId, channel);
  paintChannels();
  for (const { channelId } of channels) if (channelId !== view.channel) chat.join(channelId).catch(() => {});
}

// ---- what the server tells

function listen() {
  chat.on("state", ({ state, reason }) => {
    $("state").textContent = state;
    $("state").className = state;
    if (state === "refused") $("signin-error").textContent = reason;
    if (state === "online") enter().catch(fail);
  });
  chat.on("message:new", (message) => {
    view.typing.delete(message.userId);
    if (message.channelId === view.channel) {
      keep([message]);
      paintMessages();
      paintTyping();
      markRead(message.seq);
    } else if (view.channels.has(message.channelId)) {
      view.channels.get(message.channelId).unread += 1;
      paintChannels();
    }
  });
  chat.on("message:updated", (message) => { // its reactions are what they were
    const before = view.messages.get(message.id);
    if (before) { keep([{ ...message, reactions: before.reactions }]); paintMessages(); }
  });
  chat.on("message:deleted", ({ messageId }) => {
    const message = view.messages.get(messageId);
    if (message) { Object.assign(message, { deletedAt: new Date().toISOString(), content: "" }); paintMessages(); }
  });
  chat.on("reaction:changed", ({ messageId, userId, emoji, added }) => {
    const message = view.messages.get(messageId);
    if (!message) return;
    const users = new Set(message.reactions?.[emoji] ?? []);
    if (added) users.add(userId); else users.delete(userId);
    message.reactions = { ...message.reactions, [emoji]: [...users] };
    paintMessages();
  });
  for (const name of ["gap", "reset"]) {
    chat.on(name, ({ channelId }) => { if (channelId === view.channel) { view.messages.clear(); loadHistory().catch(fail); } });
  }
  chat.on("presence:changed", ({ channelId, users, online }) => {
    if (channelId !== view.channel) return;
    for (const user of users ?? []) view.users.set(user.userId, user); // of a large channel only the number is told
    view.online = online;
    paintPeople();
  });
  chat.on("typing", ({ channelId, userId, typing }) => {
    if (channelId !== view.channel || userId === view.me) return;
    if (typing) view.typing.set(userId, Date.now() + TYPING_MS); else view.typing.delete(userId);
    paintTyping();
    setTimeout(paintTyping, TYPING_MS + 100);
  });
  chat.on("server:maintenance", () => ($("notice").textContent = "The server restarts; the connection comes back by itself."));
}

let entered = false;
async function enter() {
  if (entered) return;
  entered = true;
  $("signin").hidden = true;
  $("chat").hidden = false;
  $("me").textContent = view.me;
  await open(location.hash.slice(1) || "lobby");
  await loadChannels();
}

// ---- forms

let typedAt = 0;

function submitOnEnter(area) {
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); area.form.requestSubmit(); }
  });
}

function onSubmit(id, run) {
  $(id).addEventListener("submit", (event) => { event.preventDefault(); run(); });
}

function takeText(area) {
  const text = area.value.trim();
  area.value = "";
  return text;
}

onSubmit("signin", () => {
  view.me = $("name").value;
  $("signin-error").textContent = "";
  chat?.close();
  chat = new Stoa(io, location.origin, { auth: { user: view.me } });
  listen();
});
onSubmit("open", () => { open($("open-name").value).catch(fail); $("open-name").value = ""; });
onSubmit("compose", () => {
  const text = takeText($("text"));
  if (text) chat.send(view.channel, text).catch((error) => { $("text").value = text; fail(error); });
  chat.typing(view.channel, false);
  typedAt = 0;
});
onSubmit("reply", () => {
  const text = takeText($("reply-text"));
  if (text) chat.send(view.channel, text, { threadId: view.thread }).catch((error) => { $("reply-text").value = text; fail(error); });
});
submitOnEnter($("text"));
submitOnEnter($("reply-text"));
$("text").addEventListener("input", () => {
  if (Date.now() - typedAt > TYPING_MS / 2) { typedAt = Date.now(); chat.typing(view.channel, true); }
});
$("older").addEventListener("click", () => loadHistory(Math.min(...[...view.messages.values()].map(({ messageSeq }) => messageSeq))).catch(fail));
$("thread-close").addEventListener("click", () => { view.thread = null; paintMessages(); });
$("status").addEventListener("change", () => chat.request("presence:update", { status: $("status").value }).catch(fail));
