// SPDX-License-Identifier: Apache-2.0

// The scenes of clients.test.mjs with two Go libraries: LIBRARY SCENE URL CA TLS DEFLATE.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	deadline   = 20 * time.Second
	pings      = 3
	partBytes  = 10_000
	enterFrame = `{"type":"connect","auth":{"user":"alice"}}`
)

// closed is how the server closed the connection.
type closed struct {
	code   int
	reason string
}

func (end closed) Error() string { return fmt.Sprintf("closed with %d %q", end.code, end.reason) }

// library is what the scenes need from a library; each call has its own deadline.
type library interface {
	connect(url string, secure *tls.Config, deflate bool) (extensions string, err error)
	send(text string) error
	sendParts(text string, bytes int) error
	sendBinary(bytes []byte) error
	receive() (string, error)            // fails with closed
	ping(payload string) error           // until its pong
	pinged() int                         // how many of the server's pings it has answered
	close(code int, reason string) error // waits for the server's answer, a closed
	drop()
}

var libraries = map[string]library{"gorilla": &gorilla{}, "coder": &coder{}}

func held(promise string) { fmt.Println("held", promise) }

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func must(holds bool, what ...any) {
	if !holds {
		check(errors.New(fmt.Sprint(what...)))
	}
}

func event(number int, text string) string {
	quoted, err := json.Marshal(text)
	check(err)
	return fmt.Sprintf(`{"type":"event","event":"echo","args":[%s],"id":%d}`, quoted, number)
}

type answer struct {
	Type  string
	ID    any
	Args  []string
	Error struct{ Code string }
}

func hear(socket library) answer {
	text, err := socket.receive()
	check(err)
	var heard answer
	check(json.Unmarshal([]byte(text), &heard))
	return heard
}

func expect(socket library, number int, text string) {
	heard := hear(socket)
	must(heard.Type == "ack" && heard.ID == float64(number) && len(heard.Args) == 1 && heard.Args[0] == text, "another answer to ", number)
}

func expectClose(err error, code int) string {
	var end closed
	must(errors.As(err, &end) && end.code == code, "no close with ", code, ": ", err)
	return end.reason
}

// untilClose reads until the server closes.
func untilClose(socket library, code int) string {
	for {
		if _, err := socket.receive(); err != nil {
			return expectClose(err, code)
		}
	}
}

func enter(socket library) {
	check(socket.send(enterFrame))
	must(hear(socket).Type == "connected", "not let in")
}

func largeText() string {
	var text strings.Builder
	for number := 0; number < 2500; number++ {
		fmt.Fprintf(&text, "line %d of a long letter, grüße 👋; ", number)
	}
	return text.String()
}

var resumed bool // the TLS session of the last handshake
var version uint16

func tlsConfig(ca, name string) *tls.Config {
	if name == "" {
		return nil
	}
	config := &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	config.MinVersion = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[name]
	config.MaxVersion = config.MinVersion
	config.VerifyConnection = func(state tls.ConnectionState) error {
		resumed, version = state.DidResume, state.Version
		return nil
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		check(err)
		config.RootCAs = x509.NewCertPool()
		must(config.RootCAs.AppendCertsFromPEM(pem), "no CA in ", ca)
	}
	return config
}

func talk(socket library, deflate bool, secure *tls.Config, extensions string) {
	must(strings.Contains(extensions, "permessage-deflate") == deflate, "extensions: ", extensions)
	must(secure == nil || version == secure.MinVersion, "TLS: ", version)
	held("connects")
	enter(socket)
	held("authenticates")
	text := largeText()
	check(socket.send(event(1, text)))
	expect(socket, 1, text)
	held("large")
	check(socket.sendParts(event(2, text), partBytes))
	expect(socket, 2, text)
	held("parts")
	for number := 0; number < 20; number++ {
		check(socket.send(event(100+number, fmt.Sprint("small ", number))))
	}
	for number := 0; number < 20; number++ {
		expect(socket, 100+number, fmt.Sprint("small ", number))
	}
	held("burst")
	check(socket.ping("are you there?"))
	held("pong")
	for end := time.Now().Add(deadline); socket.pinged() < pings; time.Sleep(10 * time.Millisecond) {
		must(time.Now().Before(end), "not pinged")
	}
	held("pings")
	reason := expectClose(socket.close(3001, "good bye"), 3001)
	must(reason == "good bye", "reason: ", reason)
	held("closes")
}

func resumes(socket library, url string, secure *tls.Config) {
	for life := 0; life < 2; life++ {
		_, err := socket.connect(url, secure, false)
		check(err)
		enter(socket)
		must(resumed == (life == 1), "resumed: ", resumed)
		socket.drop()
	}
	held("resumes")
}

func distrust(socket library, url string, secure *tls.Config) {
	_, err := socket.connect(url, secure, false)
	var untrusted *tls.CertificateVerificationError
	must(errors.As(err, &untrusted), "trusted: ", err)
	held("distrust")
}

func main() {
	socket, scene, url, deflate := libraries[os.Args[1]], os.Args[2], os.Args[3], os.Args[6] != ""
	secure := tlsConfig(os.Args[4], os.Args[5])
	if scene == "resumes" {
		resumes(socket, url, secure)
		return
	} else if scene == "distrust" {
		distrust(socket, url, secure)
		return
	}
	extensions, err := socket.connect(url, secure, deflate)
	check(err)
	defer socket.drop()
	switch scene {
	case "talk":
		talk(socket, deflate, secure, extensions)
	case "binary":
		enter(socket)
		check(socket.sendBinary([]byte{0, 0xff}))
		untilClose(socket, 1003)
		held("binary")
	case "bytes":
		content := make([]byte, 100_000)
		for i := range content {
			content[i] = byte(i*31 + i>>8)
		}
		check(socket.sendBinary(content))
		echo, err := socket.receive()
		check(err)
		must(echo == string(content), "other bytes")
		held("bytes")
	case "refused":
		check(socket.send(`{"type":"connect","auth":{}}`))
		heard := hear(socket)
		must(heard.Type == "refused" && heard.Error.Code == "unauthorized", "not refused")
		untilClose(socket, 4401)
		held("refused")
	case "drain":
		enter(socket)
		fmt.Println("waiting")
		var advice struct{ RetryAfterMs *int }
		check(json.Unmarshal([]byte(untilClose(socket, 1012)), &advice))
		must(advice.RetryAfterMs != nil && *advice.RetryAfterMs >= 0, "no advice when to come back")
		held("drain")
	}
}
