// A Socket.IO client with nothing to spare: bytes over a socket, for generating load from one process.

import { connect } from "node:net";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

function frame(text) {
  const payload = Buffer.from(text);
  const head = payload.length < 126 ? Buffer.from([0x81, 0x80 | payload.length]) : Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([head, Buffer.alloc(4), payload]); // a mask of zeros
}

export class Raw {
  constructor(port, user) {
    Object.assign(this, { port, user, acks: new Map(), nextAck: 0, events: 0, rest: Buffer.alloc(0) });
  }

  open(localAddress) {
    return new Promise((resolve, reject) => {
      this.socket = connect({ port: this.port, host: "127.0.0.1", localAddress });
      this.socket.setNoDelay(true);
      this.socket.on("error", reject);
      this.ready = resolve;
      this.socket.on("data", (data) => this.#data(data));
      this.socket.write(`GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:${this.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`);
    });
  }

  #data(data) {
    this.rest = this.rest.length ? Buffer.concat([this.rest, data]) : data;
    if (!this.upgraded) {
      const end = this.rest.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.upgraded = true;
      this.rest = this.rest.subarray(end + 4);
    }
    for (;;) {
      if (this.rest.length < 2) return;
      let len = this.rest[1], head = 2;
      if (len === 126) { if (this.rest.length < 4) return; len = this.rest.readUInt16BE(2); head = 4; }
      else if (len === 127) { if (this.rest.length < 10) return; len = Number(this.rest.readBigUInt64BE(2)); head = 10; }
      if (this.rest.length < head + len) return;
      this.#packet(this.rest.toString("latin1", head, head + len));
      this.rest = this.rest.subarray(head + len);
    }
  }

  #packet(text) {
    if (text[0] === "0") this.socket.write(frame(`40{"user":"${this.user}"}`));
    else if (text === "2") this.socket.write(frame("3"));
    else if (text.startsWith("40")) this.ready(this);
    else if (text.startsWith("42")) this.events += 1;
    else if (text.startsWith("43")) {
      const start = text.indexOf("[");
      const id = Number(text.slice(2, start));
      this.acks.get(id)?.(text.slice(start));
      this.acks.delete(id);
    }
  }

  ask(event, argument) {
    const id = this.nextAck++;
    return new Promise((resolve) => {
      this.acks.set(id, resolve);
      this.socket.write(frame(`42${id}${JSON.stringify([event, argument])}`));
    });
  }

  close() {
    this.socket.destroy();
  }
}
