// SPDX-License-Identifier: Apache-2.0

// The scenes of socketio.test.mjs with github.com/zishang520/socket.io: SCENE URL TRANSPORTS.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
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
	options := socket.DefaultOptions()
	options.SetAuth(auth)
	options.SetForceNew(true)
	options.SetAutoConnect(false)
	options.SetTimeout(3 * time.Second) // only this ends a refused attempt
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

func ask(client *socket.Socket, event string, arguments ...any) []any {
	answers := make(chan []any, 1)
	client.Emit(event, append(arguments, server.Ack(func(answer []any, err error) { answers <- answer }))...)
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
	client.On("question", func(arguments ...any) {
		arguments[1].(server.Ack)([]any{map[string]any{"heard": arguments[0], "bytes": content[:10]}}, nil)
	})
	client.Connect()
	next(connected)
	check(len(client.Id()) == 20, client.Id())
	held("connects")
	letter := []any{"grüße 👋", 7, 1.5, nil, true, map[string]any{"deep": []any{[]any{}, map[string]any{}}}}
	check(same(ask(client, "echo", letter...), letter), "echo")
	held("acks")
	answer := ask(client, "ask me", "how are you?")[0].(map[string]any)["answer"].(map[string]any)
	check(answer["heard"] == "how are you?" && bytes.Equal(contents(answer["bytes"]), content[:10]), answer)
	held("asked")
	back := ask(client, "echo", content, map[string]any{"more": []any{[]byte{}, []byte("x")}})
	more := back[1].(map[string]any)["more"].([]any)
	check(bytes.Equal(contents(back[0]), content) && len(contents(more[0])) == 0 && string(contents(more[1])) == "x", "bytes")
	held("binary")
	room := fmt.Sprint("room ", os.Getpid()) // other clients run the same scenes at the same time
	ask(client, "enter", room)
	ask(client, "say", room, "hello", map[string]any{"n": 1}, content)
	event := next(said)
	check(len(event) == 3 && event[0] == "hello" && same(event[1], map[string]any{"n": 1}) && bytes.Equal(contents(event[2]), content), len(event))
	held("hears")
	news := open("/news", map[string]any{"user": "alice", "key": "open sesame"}, false)
	welcome := listen(news, "welcome")
	news.Connect()
	check(same(next(welcome), []any{"to the news"}), "welcome")
	check(same(ask(news, "where"), []any{"/news"}) && same(ask(client, "where"), []any{"/"}), "where")
	held("namespaces")
}

func refused() {
	for _, row := range []struct {
		namespace, word string
		auth            map[string]any
	}{{"/", "unauthorized", map[string]any{}}, {"/news", "wrong key", map[string]any{"user": "alice", "key": "wrong"}}} {
		client := open(row.namespace, row.auth, false)
		refusals := listen(client, "connect_error")
		client.Connect()
		refusal := fmt.Sprint(next(refusals)...)
		check(strings.Contains(refusal, row.word), refusal)
	}
	held("refused")
}

func returns() {
	client := open("/", map[string]any{"user": "alice"}, false)
	connected := listen(client, "connect")
	client.Connect()
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
	alice.Connect()
	bob.Connect()
	next(connected)
	next(bobs)
	id := alice.Id()
	ask(alice, "enter", room)
	ask(bob, "say", room, "heard")
	next(said)
	alice.Io().Engine().Close()
	next(gone)
	ask(bob, "say", room, "missed")
	alice.Connect()
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
