// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/coder/websocket"
)

// coder reads all the time, so that pings are answered; received messages wait in `messages`.
type coder struct {
	socket   *websocket.Conn
	messages chan message
	pings    atomic.Int32
}

func limited() context.Context {
	limit, cancel := context.WithTimeout(context.Background(), deadline)
	context.AfterFunc(limit, cancel)
	return limit
}

func (c *coder) connect(url string, secure *tls.Config, deflate bool) (string, error) {
	options := &websocket.DialOptions{
		HTTPClient:     &http.Client{Transport: &http.Transport{TLSClientConfig: secure}},
		OnPingReceived: func(context.Context, []byte) bool { c.pings.Add(1); return true },
	}
	if deflate {
		options.CompressionMode = websocket.CompressionContextTakeover
	}
	socket, response, err := websocket.Dial(limited(), url, options)
	if err != nil {
		return "", err
	}
	socket.SetReadLimit(1 << 20)
	c.socket, c.messages = socket, make(chan message, 100)
	go read(socket, c.messages)
	return response.Header.Get("Sec-WebSocket-Extensions"), nil
}

func read(socket *websocket.Conn, messages chan message) {
	for {
		_, bytes, err := socket.Read(context.Background())
		messages <- message{string(bytes), end(err)}
		if err != nil {
			return
		}
	}
}

func end(err error) error {
	var end websocket.CloseError
	if errors.As(err, &end) {
		return closed{int(end.Code), end.Reason}
	}
	return err
}

func (c *coder) send(text string) error {
	return c.socket.Write(limited(), websocket.MessageText, []byte(text))
}

func (c *coder) sendParts(text string, bytes int) error {
	writer, err := c.socket.Writer(limited(), websocket.MessageText)
	for ; err == nil && len(text) > 0; text = text[min(bytes, len(text)):] {
		_, err = writer.Write([]byte(text[:min(bytes, len(text))]))
	}
	if err != nil {
		return err
	}
	return writer.Close()
}

func (c *coder) sendBinary(bytes []byte) error {
	return c.socket.Write(limited(), websocket.MessageBinary, bytes)
}

func (c *coder) receive() (string, error) {
	select {
	case received := <-c.messages:
		return received.text, received.err
	case <-limited().Done():
		return "", errors.New("nothing received")
	}
}

func (c *coder) ping(string) error { return c.socket.Ping(limited()) }

func (c *coder) pinged() int { return int(c.pings.Load()) }

// The reader learns how the server answered.
func (c *coder) close(code int, reason string) error {
	if err := c.socket.Close(websocket.StatusCode(code), reason); err != nil {
		return err
	}
	for {
		if _, err := c.receive(); err != nil {
			return err
		}
	}
}

func (c *coder) drop() { c.socket.CloseNow() }
