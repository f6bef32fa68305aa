# SPDX-License-Identifier: Apache-2.0
"""The scenes of socketio.test.mjs with python-socketio: SCENE URL TRANSPORTS."""

import os
import sys
import threading

import socketio

DEADLINE_S = 20
scene, url, transports = sys.argv[1:4]
ROOM = f"room {os.getpid()}"  # other clients run the same scenes at the same time
BYTES = bytes((i * 31 + (i >> 8)) & 0xFF for i in range(100_000))


def held(promise):
    print("held", promise, flush=True)


def wait(event):
    assert event.wait(DEADLINE_S), "not in time"


def new_client():
    return socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.5, request_timeout=DEADLINE_S)


def connect(client, auth, namespaces=("/",)):
    client.connect(url, auth=auth, transports=transports.split(","), namespaces=list(namespaces), wait_timeout=DEADLINE_S)


def talk():
    client = new_client()
    heard, welcome = [], []
    said, welcomed = threading.Event(), threading.Event()

    @client.on("said")
    def _(*arguments):
        heard.append(arguments)
        said.set()

    @client.on("question")
    def _(question):
        return {"heard": question, "bytes": BYTES[:10]}

    @client.on("welcome", namespace="/news")
    def _(*arguments):
        welcome.append(arguments)
        welcomed.set()

    connect(client, {"user": "alice", "key": "open sesame"}, ["/", "/news"])
    assert client.get_sid() and client.transport() == transports.split(",")[-1], client.transport()
    held("connects")
    letter = ["grüße 👋", 7, 1.5, None, True, {"deep": [[], {}]}]
    assert list(client.call("echo", tuple(letter), timeout=DEADLINE_S)) == letter
    held("acks")
    answer = client.call("ask me", "how are you?", timeout=DEADLINE_S)
    assert answer == {"answer": {"heard": "how are you?", "bytes": BYTES[:10]}}, answer
    held("asked")
    assert list(client.call("echo", (BYTES, {"more": [b"", b"x"]}), timeout=DEADLINE_S)) == [BYTES, {"more": [b"", b"x"]}]
    held("binary")
    assert client.call("enter", ROOM, timeout=DEADLINE_S) is True
    client.call("say", (ROOM, "hello", {"n": 1}, BYTES), timeout=DEADLINE_S)
    wait(said)
    assert heard == [("hello", {"n": 1}, BYTES)], heard
    held("hears")
    wait(welcomed)
    assert welcome == [("to the news",)], welcome
    assert client.call("where", namespace="/news", timeout=DEADLINE_S) == "/news"
    assert client.call("where", timeout=DEADLINE_S) == "/"
    held("namespaces")
    client.disconnect()


def refused():
    client = new_client()
    refusals = []
    client.on("connect_error", refusals.append)
    client.on("connect_error", refusals.append, namespace="/news")
    for auth, namespace in (({}, "/"), ({"user": "alice", "key": "wrong"}, "/news")):
        try:
            connect(client, auth, [namespace])
            raise AssertionError("it was let in")
        except socketio.exceptions.ConnectionError:
            pass
    assert refusals[0]["message"] == "unauthorized" and refusals[0]["data"]["code"] == "unauthorized", refusals
    assert refusals[1] == {"message": "wrong key", "data": {"hint": "ask Ali Baba"}}, refusals
    held("refused")


def returns():
    client = new_client()
    connected, back = threading.Event(), threading.Event()
    client.on("connect", lambda: (back if connected.is_set() else connected).set())
    connect(client, {"user": "alice"})
    wait(connected)
    print("waiting", flush=True)
    wait(back)
    assert client.call("echo", "still here", timeout=DEADLINE_S) == "still here"
    held("returns")
    client.disconnect()


{"talk": talk, "refused": refused, "returns": returns}[scene]()
