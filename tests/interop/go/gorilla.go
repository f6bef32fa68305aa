// SPDX-License-Identifier: Apache-2.0
package main

import (
	"crypto/tls"
	"errors"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

type message struct {
	text string
	err  error
}

// gorilla reads all the time, so that pings are answered; received messages wait in `messages`.
type gorilla struct {
	socket   *websocket.Conn
	messages chan message
	pongs    chan string
	pings    atomic.Int32
}

func (g *gorilla) connect(url string, secure *tls.Config, deflate bool) (string, error) {
	dialer := websocket.Dialer{TLSClientConfig: secure, EnableCompression: deflate, HandshakeTimeout: deadline}
	socket, response, err := dialer.Dial(url, nil)
	if err != nil {
		return "", err
	}
	g.socket, g.messages, g.pongs = socket, make(chan message, 100), make(chan string, 1)
	answer := socket.PingHandler()
	socket.SetPingHandler(func(payload string) error {
		g.pings.Add(1)
		return answer(payload)
	})
	socket.SetPongHandler(func(payload string) error {
		g.pongs <- payload
		return nil
	})
	go g.read(socket, g.messages)
	return response.Header.Get("Sec-WebSocket-Extensions"), nil
}

func (g *gorilla) read(socket *websocket.Conn, messages chan message) {
	for {
		_, bytes, err := socket.ReadMessage()
		var end *websocket.CloseError
		if errors.As(err, &end) {
			err = closed{end.Code, end.Text}
		}
		messages <- message{string(bytes), err}
		if err != nil {
			return
		}
	}
}

func (g *gorilla) send(text string) error {
	return g.socket.WriteMessage(websocket.TextMessage, []byte(text))
}

// The library sends a fragment whenever its buffer (4 kB) is full.
func (g *gorilla) sendParts(text string, bytes int) error {
	writer, err := g.socket.NextWriter(websocket.TextMessage)
	for ; err == nil && len(text) > 0; text = text[min(bytes, len(text)):] {
		_, err = writer.Write([]byte(text[:min(bytes, len(text))]))
	}
	if err != nil {
		return err
	}
	return writer.Close()
}

func (g *gorilla) sendBinary(bytes []byte) error {
	return g.socket.WriteMessage(websocket.BinaryMessage, bytes)
}

func (g *gorilla) receive() (string, error) {
	select {
	case received := <-g.messages:
		return received.text, received.err
	case <-time.After(deadline):
		return "", errors.New("nothing received")
	}
}

func (g *gorilla) ping(payload string) error {
	if err := g.socket.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(deadline)); err != nil {
		return err
	}
	select {
	case pong := <-g.pongs:
		must(pong == payload, "another pong: ", pong)
		return nil
	case <-time.After(deadline):
		return errors.New("no pong")
	}
}

func (g *gorilla) pinged() int { return int(g.pings.Load()) }

func (g *gorilla) close(code int, reason string) error {
	payload := websocket.FormatCloseMessage(code, reason)
	if err := g.socket.WriteControl(websocket.CloseMessage, payload, time.Now().Add(deadline)); err != nil {
		return err
	}
	for {
		if _, err := g.receive(); err != nil {
			return err
		}
	}
}

func (g *gorilla) drop() { g.socket.Close() }
