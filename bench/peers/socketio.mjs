// SPDX-License-Identifier: Apache-2.0
// Socket.IO as its documentation sets it up, without what is not used here: polling, the client's files. Connection
// recovery is off, which is its default and its faster setting. Prints "listening PORT".
import { Server } from "socket.io";
import { listen, newServer } from "./listen.mjs";

const http = newServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false });

io.on("connection", (socket) => {
  socket.on("join", (room, acknowledge) => {
    socket.join(room);
    acknowledge({ ok: true });
  });
  socket.on("publish", (room, payload) => io.to(room).emit("message", payload));
});
listen(http);
