// The Node.js server of Engine.IO, with the echo of reference.lua. A thread: it says its port.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { parentPort, workerData } from "node:worker_threads";

const require = createRequire(import.meta.url);
const engineio = createRequire(require.resolve("socket.io"))("engine.io");

const http = createServer();
const engine = engineio.attach(http, workerData);
engine.on("connection", (socket) => socket.on("message", (data) => (data === "close" ? socket.close() : socket.send(data))));
http.listen(0, "127.0.0.1", () => parentPort.postMessage(http.address().port));
