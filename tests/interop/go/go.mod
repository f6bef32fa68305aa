// SPDX-License-Identifier: Apache-2.0
module stoa/tests/interop

go 1.21

require (
	github.com/coder/websocket v1.8.13
	github.com/gorilla/websocket v1.5.3
)
