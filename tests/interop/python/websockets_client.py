# SPDX-License-Identifier: Apache-2.0
"""The scenes of clients.test.mjs with Python's websockets: SCENE URL CA TLS DEFLATE."""

import asyncio
import json
import socket
import ssl
import sys
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.sync.client import connect as connect_blocking

DEADLINE_S = 20
PINGS = 3
scene, url, ca, tls_version, deflate = sys.argv[1:6]


class Listener(ClientConnection):
    """Counts the pings that it answers."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.pings = 0
        self.pinged = asyncio.Event()

    def process_event(self, event):
        super().process_event(event)
        if getattr(event, "opcode", None) is Opcode.PING:
            self.pings += 1
            if self.pings == PINGS:
                self.pinged.set()


def held(promise):
    print("held", promise, flush=True)


def tls_context():
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[tls_version]
    return context


def open_socket():
    options = {"ssl": tls_context()} if tls_version else {}
    return connect(url, create_connection=Listener, compression="deflate" if deflate else None, proxy=None, ping_interval=None, **options)


ENTER = '{"type":"connect","auth":{"user":"alice"}}'


async def enter(client):
    await client.send(ENTER)
    answer = json.loads(await client.recv())
    assert answer["type"] == "connected", answer


def event(number, text):
    return json.dumps({"type": "event", "event": "echo", "args": [text], "id": number}, ensure_ascii=False)


async def expect(client, number, text):
    answer = json.loads(await client.recv())
    assert answer == {"type": "ack", "id": number, "args": [text]}, str(answer)[:200]


async def expect_close(client, code):
    try:
        while True:
            await client.recv()
    except ConnectionClosed as closed:
        assert closed.rcvd and closed.rcvd.code == code, closed
        return closed.rcvd.reason


def large_text():
    return "".join(f"line {number} of a long letter, grüße 👋; " for number in range(2500))


async def talk():
    async with open_socket() as client:
        assert bool(client.protocol.extensions) == bool(deflate), client.protocol.extensions
        if tls_version:
            version = client.transport.get_extra_info("ssl_object").version()
            assert version == "TLSv" + tls_version, version
        held("connects")
        await enter(client)
        held("authenticates")
        text = large_text()
        await client.send(event(1, text))
        await expect(client, 1, text)
        held("large")
        whole = event(2, text)
        await client.send(whole[start : start + 10_000] for start in range(0, len(whole), 10_000))
        await expect(client, 2, text)
        held("parts")
        for number in range(20):
            await client.send(event(100 + number, f"small {number}"))
        for number in range(20):
            await expect(client, 100 + number, f"small {number}")
        held("burst")
        await (await client.ping(b"are you there?"))
        held("pong")
        await client.pinged.wait()
        held("pings")
        await client.close(3001, "good bye")
        received = client.protocol.close_rcvd
        assert received and (received.code, received.reason) == (3001, "good bye"), received
        held("closes")


async def binary():
    async with open_socket() as client:
        await enter(client)
        await client.send(b"\x00\xff")
        await expect_close(client, 1003)
        held("binary")


async def bytes_back():
    content = bytes((i * 31 + (i >> 8)) & 0xFF for i in range(100_000))
    async with open_socket() as client:
        await client.send(content)
        assert await client.recv() == content
        held("bytes")


async def refused():
    async with open_socket() as client:
        await client.send('{"type":"connect","auth":{}}')
        answer = json.loads(await client.recv())
        assert answer["type"] == "refused" and answer["error"]["code"] == "unauthorized", answer
        await expect_close(client, 4401)
        held("refused")


async def drain():
    async with open_socket() as client:
        await enter(client)
        print("waiting", flush=True)
        reason = await expect_close(client, 1012)
        assert json.loads(reason)["retryAfterMs"] >= 0, reason
        held("drain")


async def distrust():
    try:
        await open_socket()
    except ssl.SSLCertVerificationError:
        held("distrust")


async def resumes():
    """Uses the blocking client with its own sockets, because asyncio does not accept a TLS session."""
    context, session = tls_context(), None
    place = urlsplit(url)
    for life in range(2):
        raw = socket.create_connection((place.hostname, place.port), DEADLINE_S)
        secure = context.wrap_socket(raw, server_hostname=place.hostname, session=session)
        with connect_blocking(url.replace("wss:", "ws:"), sock=secure, proxy=None) as client:
            client.send(ENTER)
            assert json.loads(client.recv(DEADLINE_S))["type"] == "connected"
            assert secure.session_reused == (life == 1)
            session = secure.session
    held("resumes")


scenes = {"talk": talk, "binary": binary, "bytes": bytes_back, "refused": refused, "drain": drain, "distrust": distrust, "resumes": resumes}
asyncio.run(asyncio.wait_for(scenes[scene](), DEADLINE_S))
