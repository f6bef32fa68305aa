// SPDX-License-Identifier: Apache-2.0

// The scenes of socketio.test.mjs with github.com/zishang520/socket.io: SCENE URL TRANSPORTS.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"

	engine "github.com/zishang520/socket.io/clients/engine/v3"
	"github.com/zishang520/socket.io/clients/socket/v3"
	server "github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

const deadline = 20 * time.Second

var scene, address, transports = os.Args[1], os.Args[2], os.Args[3]

func held(promise string) { fmt.Println("held", promise) }

func check(holds bool, what any) {
	if !holds {
		panic(fmt.Sprint(what))
	}
}

func next(heard chan []any) []any {
	select {
	case arguments := <-heard:
		return arguments
	case <-time.After(deadline):
		panic("not in time")
	}
}

func listen(client *socket.Socket, event string) chan []any {
	heard := make(chan []any, 16)
	client.On(types.EventName(event), func(arguments ...any) { heard <- arguments })
	return heard
}

func open(namespace string, auth map[string]any, asks bool) *socket.Socket {
	return openOver(transports, namespace, auth, asks)
}

func openOver(transports, namespace string, auth map[string]any, asks bool) *socket.Socket {
	options := socket.DefaultOptions()
	options.SetAuth(auth)
	options.SetForceNew(true)
	options.SetAutoConnect(false)
	options.SetTimeout(3 * time.Second) // only this ends an attempt that is refused, or that was answered before the client listened
	options.SetReconnectionDelay(100)
	options.SetReconnectionDelayMax(500)
	if asks {
		options.SetQuery(url.Values{"recovery": {"1"}})
	}
	set := types.NewSet[engine.TransportCtor]()
	for _, name := range strings.Split(transports, ",") {
		set.Add(map[string]engine.TransportCtor{"polling": socket.Polling, "websocket": socket.WebSocket}[name])
	}
	options.SetTransports(set)
	client, err := socket.Connect(address+namespace, options)
	check(err == nil, err)
	return client
}

// connect opens the connection, and then the namespace. Connect alone does both, and has a race: it may send CONNECT twice, and the server ends
// the session then.
func connect(client *socket.Socket) {
	opened := make(chan []any, 16)
	client.Io().Once("open", func(...any) { opened <- nil })
	client.Io().Open(nil)
	go endPauses(client)
	next(opened)
	client.Connect()
}

// endPauses repeats two notices that the client may miss. Before its upgrade the client waits for the end of a poll and of a POST. If these
// end just before it begins to wait, it waits forever and sends nothing.
func endPauses(client *socket.Socket) {
	for range time.Tick(100 * time.Millisecond) {
		transport := client.Io().Engine().Transport()
		if transport.ReadyState() != engine.TransportStatePausing || !transport.Writable() || polls(transport) {
			continue
		}
		transport.Emit("pollComplete")
		transport.Emit("drain")
	}
}

// polls tells whether a poll is under way. The client has no public function for it.
func polls(transport engine.Transport) bool {
	return reflect.ValueOf(transport).Elem().FieldByName("_polling").FieldByName("v").Uint() != 0
}

func ask(client *socket.Socket, event string, arguments ...any) []any {
	answers := make(chan []any, 1)
	client.Emit(event, append(arguments, server.Ack(func(answer []any, err error) {
		if err != nil {
			answer = []any{err.Error()}
		}
		answers <- answer
	}))...)
	return next(answers)
}

// same compares as JSON, in which all number types are equal.
func same(left, right any) bool {
	a, _ := json.Marshal(left)
	b, _ := json.Marshal(right)
	return bytes.Equal(a, b)
}

func contents(value any) []byte {
	buffer, ok := value.(types.BufferInterface)
	check(ok, fmt.Sprintf("%T is no buffer", value))
	return buffer.Bytes()
}

func talk(content []byte) {
	client := open("/", map[string]any{"user": "alice"}, false)
	connected, said := listen(client, "connect"), listen(client, "said")
	// The client sends polls and packets one at a time, so a poll may go out between a packet and its bytes. Nothing ends this poll: the server
	// answers only when the bytes have come, and pings again only after a pong. Bytes and pong both wait behind the poll.
	saysBytes := transports != "polling"
	client.On("question", func(arguments ...any) {
		answer := map[string]any{"heard": arguments[0]}
		if saysBytes {
			answer["bytes"] = content[:10]
		}
		arguments[1].(server.Ack)([]any{answer}, nil)
	})
	connect(client)
	next(connected)
	check(len(client.Id()) == 20, client.Id())
	held("connects")
	letter := []any{"grüße 👋", 7, 1.5, nil, true, map[string]any{"deep": []any{[]any{}, map[string]any{}}}}
	check(same(ask(client, "echo", letter...), letter), "echo")
	held("acks")
	answer := ask(client, "ask me", "how are you?")[0].(map[string]any)["answer"].(map[string]any)
	check(answer["heard"] == "how are you?" && (!saysBytes || bytes.Equal(contents(answer["bytes"]), content[:10])), answer)
	held("asked")
	speaker := client
	if saysBytes {
		back := ask(client, "echo", content, map[string]any{"more": []any{[]byte{}, []byte("x")}})
		more := back[1].(map[string]any)["more"].([]any)
		check(bytes.Equal(contents(back[0]), content) && len(contents(more[0])) == 0 && string(contents(more[1])) == "x", "bytes")
		held("binary")
	} else {
		speaker = openOver("websocket", "/", map[string]any{"user": "bob"}, false)
		bobs := listen(speaker, "connect")
		connect(speaker)
		next(bobs)
	}
	room := fmt.Sprint("room ", os.Getpid()) // other clients run the same scenes at the same time
	ask(client, "enter", room)
	ask(speaker, "say", room, "hello", map[string]any{"n": 1}, content)
	event := next(said)
	check(len(event) == 3 && event[0] == "hello" && same(event[1], map[string]any{"n": 1}) && bytes.Equal(contents(event[2]), content), len(event))
	held("hears")
	news := open("/news", map[string]any{"user": "alice", "key": "open sesame"}, false)
	welcome := listen(news, "welcome")
	connect(news)
	check(same(next(welcome), []any{"to the news"}), "welcome")
	there, here := ask(news, "where"), ask(client, "where")
	check(same(there, []any{"/news"}) && same(here, []any{"/"}), []any{there, here})
	held("namespaces")
}

func refused() {
	for _, row := range []struct {
		namespace, word string
		auth            map[string]any
	}{{"/", "unauthorized", map[string]any{}}, {"/news", "wrong key", map[string]any{"user": "alice", "key": "wrong"}}} {
		client := open(row.namespace, row.auth, false)
		refusals := listen(client, "connect_error")
		connect(client)
		refusal := fmt.Sprint(next(refusals)...)
		check(strings.Contains(refusal, row.word), refusal)
	}
	held("refused")
}

func returns() {
	client := open("/", map[string]any{"user": "alice"}, false)
	connected := listen(client, "connect")
	connect(client)
	next(connected)
	fmt.Println("waiting")
	next(connected)
	check(same(ask(client, "echo", "still here"), []any{"still here"}), "echo")
	held("returns")
}

func recovers() {
	alice, bob := open("/", map[string]any{"user": "alice"}, true), open("/", map[string]any{"user": "bob"}, false)
	room := fmt.Sprint("room ", os.Getpid())
	connected, said, bobs := listen(alice, "connect"), listen(alice, "said"), listen(bob, "connect")
	gone := listen(alice, "disconnect")
	connect(alice)
	connect(bob)
	next(connected)
	next(bobs)
	id := alice.Id()
	ask(alice, "enter", room)
	ask(bob, "say", room, "heard")
	next(said)
	alice.Io().SetReconnection(false)
	alice.Io().Engine().Close()
	next(gone)
	ask(bob, "say", room, "missed")
	alice.Io().SetReconnection(true)
	alice.Io().Open(nil)
	next(connected)
	check(alice.Recovered() && alice.Id() == id && next(said)[0] == "missed", alice.Id())
	held("recovers")
}

func main() {
	content := make([]byte, 100_000)
	for i := range content {
		content[i] = byte(i*31 + i>>8)
	}
	switch scene {
	case "talk":
		talk(content)
	case "refused":
		refused()
	case "returns":
		returns()
	case "recovers":
		recovers()
	default:
		panic(scene)
	}
}
