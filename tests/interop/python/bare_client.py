# SPDX-License-Identifier: Apache-2.0
"""The scenes of socketio.test.mjs, frame by frame (RFC 6455, Engine.IO 4, Socket.IO 5), as on small devices or in C++:
SCENE URL TRANSPORTS. It masks with a fixed key, has no extensions, and offers a subprotocol that no server has."""

import http.client
import json
import os
import socket
import struct
import sys
import time
from urllib.parse import urlsplit

DEADLINE_S = 20
scene, url, transports = sys.argv[1:4]
place = urlsplit(url)
ROOM = f"room {os.getpid()}"  # other clients run the same scenes at the same time
BYTES = bytes((i * 31 + (i >> 8)) & 0xFF for i in range(100_000))
PATH = "/socket.io/?EIO=4&transport="
MASK = b"\x12\x34\x56\x78"


def held(promise):
    print("held", promise, flush=True)


class Frames:
    """A WebSocket: text is str, binary is bytes. None: the server closed it."""

    def __init__(self, sid=None, query=""):
        self.socket = socket.create_connection((place.hostname, place.port), DEADLINE_S)
        self.file = self.socket.makefile("rb")
        path = PATH + "websocket" + query + (f"&sid={sid}" if sid else "")
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: arduino\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b"".join(iter(self.file.readline, b"\r\n"))
        assert head.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head
        assert b"sec-websocket-protocol" not in head.lower(), head

    def _frame(self, opcode, payload):
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else struct.pack("!BH", 0xFE, length) if length < 65536 else struct.pack("!BQ", 0xFF, length)
        mask = MASK * (length // 4 + 1)
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(mask[:length], "big")).to_bytes(length, "big")
        self.socket.sendall(bytes([0x80 | opcode]) + size + MASK + masked)

    def send(self, message):
        self._frame(1, message.encode()) if isinstance(message, str) else self._frame(2, message)

    def receive(self):
        while True:
            head = self.file.read(2)
            if len(head) < 2:
                return None
            assert head[0] & 0x70 == 0 and head[0] & 0x80 and head[1] & 0x80 == 0, "fragments, extensions and masks are not for us"
            length = head[1]
            if length > 125:
                length = int.from_bytes(self.file.read(2 if length == 126 else 8), "big")
            payload, opcode = self.file.read(length), head[0] & 15
            if opcode == 9:
                self._frame(10, payload)
            elif opcode == 8:
                return None
            elif opcode in (1, 2):
                return payload.decode() if opcode == 1 else payload

    def close(self):
        self.socket.close()


class Polls:
    """The same over HTTP: one request after the other on a connection."""

    def __init__(self, query=""):
        import base64

        self.base64 = base64
        self.http = http.client.HTTPConnection(place.hostname, place.port, timeout=2 * DEADLINE_S)
        self.path, self.waiting = PATH + "polling" + query, []

    def _request(self, method, body=None):
        self.http.request(method, self.path, body, {"Content-Type": "text/plain;charset=UTF-8"} if body else {})
        answer = self.http.getresponse()
        return answer.read().decode() if answer.status == 200 else answer.read() and None

    def bind(self, sid):
        self.path += "&sid=" + sid

    def send(self, message):
        packet = message if isinstance(message, str) else "b" + self.base64.b64encode(message).decode()
        assert self._request("POST", packet.encode()) == "ok"

    def receive(self):
        if not self.waiting:
            body = self._request("GET")
            if body is None:
                return None
            self.waiting = body.split("\x1e")
        packet = self.waiting.pop(0)
        return self.base64.b64decode(packet[1:]) if packet[0] == "b" else packet

    def close(self):
        self.http.close()


class Client:
    def __init__(self, auth, query=""):
        self.ids, self.events, self.answers, self.connected, self.refusals = 0, [], {}, {}, {}
        self.wire = Polls(query) if transports.startswith("polling") else Frames(query=query)
        opened = json.loads(self.wire.receive()[1:])
        if transports.startswith("polling"):
            self.wire.bind(opened["sid"])
        if transports == "polling,websocket":
            assert "websocket" in opened["upgrades"]
            frames = Frames(opened["sid"])
            frames.send("2probe")
            assert frames.receive() == "3probe"
            frames.send("5")
            self.wire.close()
            self.wire = frames
        self.join("/", auth)

    def join(self, namespace, auth):
        self.wire.send(f"40{'' if namespace == '/' else namespace + ','}{json.dumps(auth)}")
        self.until(lambda: namespace in self.connected or namespace in self.refusals)

    def until(self, holds):
        """Reads packets until the condition holds. False: the connection has ended."""
        end = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < end, "not in time"
            packet = self.wire.receive()
            if packet is None or packet == "1":
                return False
            if packet == "2":
                self.wire.send("3")
            elif isinstance(packet, str) and packet[0] == "4":
                self.hear(packet[1], packet[2:])
        return True

    def hear(self, kind, rest):
        count, attachments = 0, []
        if kind in "56":
            count, rest = rest.split("-", 1)
        namespace, rest = rest.split(",", 1) if rest.startswith("/") else ("/", rest)
        number = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        value = json.loads(rest[len(number) :] or "null")
        while len(attachments) < int(count):
            attachments.append(self.wire.receive())
        value = fill(value, attachments)
        if kind == "0":
            self.connected[namespace] = value
        elif kind == "4":
            self.refusals[namespace] = value
        elif kind in "36":
            self.answers[int(number)] = value
        elif kind in "25" and number:
            self.send("3", number, [{"heard": value[1], "bytes": BYTES[:10]}])
        elif kind in "25":
            self.events.append((namespace, value))

    def send(self, kind, number, value, namespace="/"):
        attachments = []
        text = json.dumps(value, default=lambda raw: attachments.append(raw) or {"_placeholder": True, "num": len(attachments) - 1})
        if attachments:
            kind = {"2": "5", "3": "6"}[kind] + f"{len(attachments)}-"
        self.wire.send(f"4{kind}{'' if namespace == '/' else namespace + ','}{number}{text}")
        for raw in attachments:
            self.wire.send(raw)

    def ask(self, *event, namespace="/"):
        self.ids += 1
        number = self.ids
        self.send("2", number, event, namespace)
        assert self.until(lambda: number in self.answers), "the connection has ended"
        return self.answers[number]


def fill(value, attachments):
    if isinstance(value, dict):
        if value.get("_placeholder"):
            return attachments[value["num"]]
        return {key: fill(item, attachments) for key, item in value.items()}
    return [fill(item, attachments) for item in value] if isinstance(value, list) else value


def talk():
    client = Client({"user": "alice"})
    assert len(client.connected["/"]["sid"]) == 20 and "pid" not in client.connected["/"]
    held("connects")
    letter = ["grüße 👋", 7, 1.5, None, True, {"deep": [[], {}]}]
    assert client.ask("echo", *letter) == letter
    held("acks")
    assert client.ask("ask me", "how are you?") == [{"answer": {"heard": "how are you?", "bytes": BYTES[:10]}}]
    held("asked")
    assert client.ask("echo", BYTES, {"more": [b"", b"x"]}) == [BYTES, {"more": [b"", b"x"]}]
    held("binary")
    assert client.ask("enter", ROOM) == [True]
    client.ask("say", ROOM, "hello", {"n": 1}, BYTES)
    assert client.until(lambda: client.events)
    assert client.events.pop() == ("/", ["said", "hello", {"n": 1}, BYTES])
    held("hears")
    client.join("/news", {"user": "alice", "key": "open sesame"})
    assert client.until(lambda: client.events)
    assert client.events == [("/news", ["welcome", "to the news"])], client.events
    assert client.ask("where", namespace="/news") == ["/news"] and client.ask("where") == ["/"]
    held("namespaces")


def refused():
    client = Client({})
    refusal = client.refusals["/"]
    assert refusal["message"] == "unauthorized" and refusal["data"]["code"] == "unauthorized", refusal
    client.join("/news", {"user": "alice", "key": "wrong"})
    assert client.refusals["/news"] == {"message": "wrong key", "data": {"hint": "ask Ali Baba"}}, client.refusals
    held("refused")


def returns():
    client = Client({"user": "alice"})
    print("waiting", flush=True)
    try:
        assert not client.until(lambda: False)
    except (ConnectionError, http.client.HTTPException):
        pass
    for end in [time.monotonic() + DEADLINE_S]:
        while True:
            try:
                client = Client({"user": "alice"})
                break
            except (OSError, http.client.HTTPException, AssertionError, TypeError):
                assert time.monotonic() < end, "not in time"
                time.sleep(0.1)  # between two tries
    assert client.ask("echo", "still here") == ["still here"]
    held("returns")


def recovers():
    bob, alice = Client({"user": "bob"}), Client({"user": "alice"}, "&recovery=1")
    alice.ask("enter", ROOM)
    bob.ask("say", ROOM, "one")
    alice.until(lambda: alice.events)
    first = alice.connected["/"]
    *event, offset = alice.events[0][1]
    assert event == ["said", "one"] and isinstance(offset, str), alice.events
    alice.wire.close()
    bob.ask("say", ROOM, "two")
    back = Client({"user": "alice", "pid": first["pid"], "offset": offset}, "&recovery=1")
    assert back.connected["/"] == first, (back.connected, first)
    assert [event[:-1] for _, event in back.events] == [["said", "two"]], back.events
    held("recovers")


{"talk": talk, "refused": refused, "returns": returns, "recovers": recovers}[scene]()
