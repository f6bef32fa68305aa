// SPDX-License-Identifier: Apache-2.0
// The Node.js servers of Engine.IO and Socket.IO, which do the same as reference.lua. Runs as a thread that reports its port.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import { Server } from "socket.io";

const require = createRequire(import.meta.url);
const engineio = createRequire(require.resolve("socket.io"))("engine.io");

const http = createServer();
const engine = engineio.attach(http, workerData);
engine.on("connection", (socket) => socket.on("message", (data) => (data === "close" ? socket.close() : socket.send(data))));
const io = new Server(http, workerData);
for (const name of ["/", "/custom"]) {
  io.of(name).on("connection", (socket) => {
    socket.emit("auth", socket.handshake.auth);
    socket.on("echo", (...args) => socket.emit("echoed", ...args));
    socket.on("answer", (...args) => args.pop()(...args));
    socket.on("ask", () => socket.emit("question", (...args) => socket.emit("answered", ...args)));
    socket.on("leave", () => socket.disconnect());
    socket.on("error", () => {});
  });
}
http.listen(0, "127.0.0.1", () => parentPort.postMessage(http.address().port));
