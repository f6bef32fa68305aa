# SPDX-License-Identifier: Apache-2.0
"""attackers.py NAME PORT SECONDS TIMES ADDRESSES: one attack on a server of attack.lua; attack.py runs it.

It prints "ready", waits for a line, attacks for SECONDS at TIMES its rate, from one address (127.0.0.1) or from ADDRESSES addresses
(127.0.1.x), and prints what it reached as JSON. It uses raw sockets, because no client library would send this."""

import asyncio
import base64
import dataclasses
import hmac
import itertools
import json
import os
import resource
import socket
import struct
import sys
import time
import zlib

IP_BIND_ADDRESS_NO_PORT = 24
SPARE_DESCRIPTORS = 200
ANSWER_S, AGAIN_S = 10, 0.01
PATH = "/socket.io/?EIO=4&transport="


# ---- bytes ----

def token(user, expires_in_s=3600, secret=None):
    """A JSON Web Token by HS256."""
    def encode(part):
        return base64.urlsafe_b64encode(part).rstrip(b"=")
    claims = {"sub": user, "exp": int(time.time()) + expires_in_s}
    text = b".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    key = (secret or os.environ["BENCH_SECRET"]).encode()
    return (text + b"." + encode(hmac.digest(key, text, "sha256"))).decode()


def frame(text, announced=None):
    """A masked WebSocket frame (the mask is zero); it may announce more bytes than it has."""
    body = text.encode() if isinstance(text, str) else text
    return head(0x81, len(body) if announced is None else announced) + body


def deflated(text):
    """The same, compressed (RFC 7692)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = (packer.compress(text.encode()) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    return head(0xC1, len(body)) + body


def head(first, length):
    if length < 126:
        return bytes([first, 0x80 | length]) + bytes(4)
    if length < 65536:
        return struct.pack("!BBH", first, 0xFE, length) + bytes(4)
    return struct.pack("!BBQ", first, 0xFF, length) + bytes(4)


def request(target, headers=""):
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode()


def event(name, arguments, ack=""):
    return f"42{ack}" + json.dumps([name, arguments], separators=(",", ":"))


# ---- one connection ----

class Link:
    """A connection from that address. Its buffers are small: what it does not read soon waits in the server."""

    @classmethod
    async def open(cls, port, address, reads=True):
        link = cls()
        raw = socket.socket()
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no TIME_WAIT: there are few ports
        if not reads:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            raw.bind((address, 0))
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port)), ANSWER_S)
            link.reader, link.writer = await asyncio.open_connection(sock=raw, limit=1 << 21 if reads else 4096)
        except BaseException:
            raw.close()
            raise
        return link

    async def say(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def response(self):
        """Reads an HTTP response to its end: its status."""
        text = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), ANSWER_S)
        lengths = [line for line in text.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if lengths:
            await self.reader.readexactly(int(lengths[0].split(b":")[1]))
        return int(text.split(b" ", 2)[1])

    async def upgrade(self):
        await self.say(request(PATH + "websocket", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"))
        if await self.response() != 101:
            raise ConnectionError("refused")
        await self.next()

    async def next(self):
        """The next text."""
        first, length = await asyncio.wait_for(self.reader.readexactly(2), ANSWER_S)
        if length > 125:
            length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
        body = await self.reader.readexactly(length)
        if first & 15 == 8:
            raise ConnectionError("closed")
        return zlib.decompressobj(-15).decompress(body + b"\0\0\xff\xff") if first & 0x40 else body

    async def join(self, user, *channels):
        """CONNECT with a good token, and joins."""
        await self.say(frame("40" + json.dumps({"token": token(user)})))
        if not (answer := await self.next()).startswith(b"40"):
            raise ConnectionError(f"not let in: {answer[:200]}")
        for channel in channels:
            await self.ask("channel:join", {"channelId": channel})

    async def ask(self, name, arguments):
        """The answer to an event. One at a time."""
        await self.say(frame(event(name, arguments, 0)))
        while not (answer := await self.next()).startswith(b"430"):
            pass
        return json.loads(answer[3:])[0]

    async def ignore(self):
        """Reads and ignores everything until the server closes the connection."""
        try:
            while await self.reader.read(1 << 16):
                pass
        except OSError:
            pass

    def close(self):
        self.writer.transport.abort()


# ---- the attack ----

class Pace:
    """That many per second over all bots, in bursts; late ones are made up for."""

    def __init__(self, rate, burst):
        self.rate, self.burst, self.taken, self.passed, self.start = rate, burst, 0, 0, None

    async def take(self):
        now = time.monotonic()
        self.start = self.start or now
        due = self.start + self.taken // self.burst * self.burst / self.rate
        self.taken += 1
        await asyncio.sleep(max(0, due - now))
        self.passed += 1

    def reached(self):
        return self.passed / (time.monotonic() - self.start) if self.start else 0


def addresses(count):
    return ["127.0.0.1"] if count == 1 else [f"127.0.1.{i + 1}" for i in range(count)]


class Attack:
    def __init__(self, row, port, times, sources):
        self.row, self.bot, self.port = row, row.make(), port
        self.pace = Pace(row.rate * times, row.burst)
        self.addresses = addresses(sources)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS
        self.bots = min(most, max(row.bots * (times if row.holds else 1), len(self.addresses)))
        self.cut = self.bytes = 0

    async def send(self, link, data):
        """Paces the bot itself if the row says so. What is expensive to make is made when it is due."""
        if self.row.streams:
            await self.pace.take()
        data = data() if callable(data) else data
        self.bytes += len(data)
        await link.say(data)

    async def live(self, bot):
        """Runs the connections of one bot, one after the other."""
        while True:
            link = None
            try:
                if not self.row.streams:
                    await self.pace.take()
                link = await Link.open(self.port, self.addresses[bot % len(self.addresses)], self.row.reads)
                await self.bot(self, link, bot)
            except (OSError, EOFError, asyncio.TimeoutError, asyncio.LimitOverrunError, zlib.error):
                self.cut += 1
                await asyncio.sleep(AGAIN_S)
            finally:
                if link:
                    link.close()

    async def run(self, seconds):
        bots = [asyncio.create_task(self.live(bot)) for bot in range(self.bots)]
        done, _ = await asyncio.wait(bots, timeout=seconds)
        for bot in done:
            bot.result()  # a bug in this program
        reached = {"reached": self.pace.reached(), "wanted": self.pace.rate, "bytes_per_s": self.bytes / seconds, "cut": self.cut,
                   "bots": self.bots}
        for bot in bots:
            bot.cancel()
        return reached


# ---- bots: what one connection does ----

def unnamed(*texts, pack=frame):
    """CONNECTs without a good token, each on its own connection, with the texts in turn."""
    frames = itertools.cycle([pack("40" + text) for text in texts])

    async def bot(attack, link, _):
        await link.upgrade()
        await attack.send(link, next(frames))
        await asyncio.wait_for(link.reader.read(1), ANSWER_S)
    return bot


async def handshakes(attack, link, _):
    while True:
        await attack.send(link, request(PATH + "polling", "Cookie: a=" + "x" * 4000 + "\r\n"))
        if await link.response() != 200:
            raise ConnectionError("refused")


def backslashes():
    messages = [deflated(event("message:send", {"channelId": "attacked", "clientId": os.urandom(8).hex(), "content": "\\" * 100000}))
                for _ in range(64)]

    async def bot(attack, link, number):
        await link.upgrade()
        await link.join(f"backslash-{number}", "attacked")
        link.ignoring = asyncio.create_task(link.ignore())
        for message in itertools.cycle(messages):
            await attack.send(link, message)
    return bot


TYPED_IN = 50


async def typing(attack, link, number):
    await link.upgrade()
    await link.join(f"typist-{number}", *(f"typed-{i}" for i in range(TYPED_IN)))
    link.ignoring = asyncio.create_task(link.ignore())
    for i in itertools.count():
        await attack.send(link, frame(event("typing", {"channelId": f"typed-{i % TYPED_IN}", "typing": i // TYPED_IN % 2 == 0})))


async def unread_history(attack, link, number):
    await link.upgrade()
    await link.join(f"reader-{number}", "library")
    for i in itertools.count():
        await attack.send(link, frame(event("history:get", {"channelId": "library", "limit": 100}, i)))


async def unread_file(attack, link, _):
    await attack.send(link, request("/large.bin"))
    await asyncio.sleep(ANSWER_S + 1)  # the server closes it after net.body_timeout_ms


async def padded_connect(attack, link, number):
    await link.upgrade()
    pad = "a" * (977000, 60000)[number % 2]
    await attack.send(link, lambda: deflated("40" + json.dumps({"token": token(f"padded-{number}"), "pad": pad})))
    await link.next()
    await link.ignore()


async def reactions(attack, link, number):
    await link.upgrade()
    await link.join(f"reactor-{number}", "attacked")
    content = {"channelId": "attacked", "content": "x" * 60000}
    answer = await link.ask("message:send", {**content, "clientId": os.urandom(8).hex()})
    link.ignoring = asyncio.create_task(link.ignore())
    target = {"channelId": "attacked", "messageId": answer.get("id", "none")}
    for i in itertools.count():
        await attack.send(link, frame(event("reaction:add", {**target, "emoji": f"e{i}"})) if i % 8 else
                          deflated(event("message:edit", {**content, **target, "content": f"{i}" + "x" * 60000})))


async def announced(attack, link, _):
    await link.upgrade()
    await attack.send(link, frame("42[\"x\",\"aaaaaaaa", announced=100000))
    await link.ignore()


async def bodies(attack, link, _):
    body = b"\1" * 1000000
    await attack.send(link, b"POST /api/broadcast HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await link.response()


async def slots(attack, link, _):
    await attack.send(link, request("/health"))
    await link.response()
    await link.ignore()


async def lookups(attack, link, number):
    await link.upgrade()
    await link.join(f"lost-{number}", "attacked")
    link.ignoring = asyncio.create_task(link.ignore())
    for i in itertools.count():
        nowhere = os.urandom(8).hex()
        ask = (event("history:get", {"channelId": nowhere}, i), event("thread:get", {"channelId": nowhere, "threadId": nowhere}, i),
               event("message:send", {"channelId": "attacked", "clientId": nowhere, "content": "x", "threadId": nowhere}, i))
        await attack.send(link, frame(ask[i % 3]))


def tokens(make):
    async def bot(attack, link, number):
        await link.upgrade()
        await attack.send(link, frame("40" + json.dumps({"token": make(number)})))
        await link.next()
    return bot


# ---- the table of attacks ----

@dataclasses.dataclass
class Row:
    name: str
    about: str
    rate: float  # per second
    bots: int
    make: object  # returns a function: what one connection does
    burst: int = 1
    streams: bool = False  # many from each connection; otherwise one, and the connections are paced
    holds: bool = False  # the number of held connections counts: ten times the rate is ten times the bots too
    reads: bool = True
    shared: bool = False  # newcomers come from the attackers' address


def filled(filler, length):
    return json.dumps({"token": "x"})[:-1] + ',"a":[' + ",".join([filler] * (length // (len(filler) + 1))) + "]}"


LARGE, FITTING = 999000, 60000  # more bytes than auth may have; fewer

ROWS = [
    Row("inflating", "strangers: CONNECTs of 1.5 KB that inflate to 1 MB, 800 at once", 800, 800,
        lambda: unnamed(filled('"' + "a" * 300 + '"', LARGE), filled('"' + "a" * 300 + '"', FITTING), pack=deflated), burst=800),
    Row("handshakes", "strangers: polling handshakes with 4 KB of cookies, over three connections", 12700, 3, lambda: handshakes, streams=True),
    Row("brackets", "strangers: `[[],[],…]` compressed in auth, 34 KB/s", 60, 60,
        lambda: unnamed(filled("[]", LARGE), filled("[]", FITTING), pack=deflated)),
    Row("backslashes", "accounts: messages of 100,000 backslashes, 286 bytes compressed", 82, 8, backslashes, streams=True),
    Row("typing", "accounts: typing in 50 channels each, 122 KB/s", 2100, 20, lambda: typing, streams=True),
    Row("unread-history", "accounts: pages of history of 800 KB, asked for and not read", 40, 25, lambda: unread_history, streams=True, reads=False),
    Row("unread-files", "strangers: GET of a file of 7 MB that is not read", 50, 500, lambda: unread_file, holds=True, reads=False),
    Row("padding", "accounts: CONNECTs padded to 977 KB and 60 KB, 1 KB compressed, held", 10, 300, lambda: padded_connect, holds=True),
    Row("reactions", "accounts: reactions to one message, and edits of 60 KB of it", 800, 1, lambda: reactions, streams=True),
    Row("announced", "strangers: messages of 100 KB announced, 15 bytes sent, held", 200, 690, lambda: announced, holds=True),
    Row("bodies", "strangers: bodies of 1 MB of \\x01 to /api without a key", 20, 60, lambda: bodies),
    Row("slots", "strangers: idle connections, one /health each, as many as the server takes", 1000, 10000, lambda: slots),
    Row("objects", "strangers: CONNECTs with auth of 999 kB of `{}`", 20, 20, lambda: unnamed(filled("{}", LARGE), filled("{}", FITTING))),
    Row("look-ups", "accounts: history, threads and replies of channels and messages that are not there", 10000, 1, lambda: lookups, streams=True),
    Row("expired", "strangers: tokens that are ours and expired; newcomers from the same address", 100 / 60, 4,
        lambda: tokens(lambda number: token(f"expired-{number}", -3600)), shared=True),
    Row("guesses", "strangers: bad tokens, 100 bytes/s; newcomers from the same address", 4, 8,
        lambda: tokens(lambda number: token(f"guest-{number}", secret=os.urandom(16).hex())), shared=True),
]


def main():
    name, port, seconds, times, sources = sys.argv[1:]
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    attack = Attack(next(one for one in ROWS if one.name == name), int(port), int(times), int(sources))
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asyncio.run(attack.run(float(seconds)))), flush=True)


if __name__ == "__main__":
    main()
