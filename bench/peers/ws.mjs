// SPDX-License-Identifier: Apache-2.0
// A broadcast with ws, as in its documentation. Prints "listening PORT".
import { WebSocketServer } from "ws";
import { listen, newServer } from "./listen.mjs";

const http = newServer();
const server = new WebSocketServer({ server: http, perMessageDeflate: false });

server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (message) => {
    for (const client of server.clients) client.send(message, { binary: false });
  });
});
listen(http);
