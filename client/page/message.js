// SPDX-License-Identifier: Apache-2.0
// One message as an element. Whatever people wrote goes in as text, never as markup.

const EMOJI = ["👍", "❤️", "😂", "🎉", "👀"];

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function action(label, title, run) {
  const button = element("button", "", label);
  button.type = "button";
  button.title = title;
  button.addEventListener("click", run);
  return button;
}

function actions(message, me, act) {
  const bar = element("span", "actions");
  for (const emoji of EMOJI) bar.append(action(emoji, `React with ${emoji}`, () => act.react(message, emoji)));
  if (!message.threadId) bar.append(action("Reply", "Reply in a thread", () => act.thread(message)));
  if (message.userId === me) {
    bar.append(action("Edit", "Edit", () => act.edit(message)));
    bar.append(action("Delete", "Delete", () => act.remove(message)));
  }
  return bar;
}

function reactions(message, me, act) {
  const row = element("div", "reactions");
  for (const [emoji, users] of Object.entries(message.reactions ?? {})) {
    if (users.length === 0) continue;
    const button = action(`${emoji} ${users.length}`, users.join(", "), () => act.react(message, emoji));
    button.classList.toggle("mine", users.includes(me));
    row.append(button);
  }
  return row;
}

export function renderMessage(message, me, replies, act) {
  const item = element("li", "message");
  item.dataset.id = message.id;
  item.append(element("span", "who", message.userId));
  const time = element("time", "", new Date(message.createdAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = message.createdAt;
  item.append(time);
  if (message.editedAt && !message.deletedAt) item.append(element("span", "edited", " (edited)"));
  const content = typeof message.content === "string" ? message.content : JSON.stringify(message.content);
  item.append(element("div", "content", message.deletedAt ? "deleted" : content));
  item.classList.toggle("deleted", Boolean(message.deletedAt));
  if (message.deletedAt) return item;
  item.append(reactions(message, me, act));
  if (replies > 0) {
    const open = action(`${replies} ${replies === 1 ? "reply" : "replies"}`, "Open the thread", () => act.thread(message));
    open.className = "replies";
    item.append(open);
  }
  item.append(actions(message, me, act));
  return item;
}
