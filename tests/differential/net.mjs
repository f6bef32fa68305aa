// SPDX-License-Identifier: Apache-2.0
// HTTP and WebSocket, by parser as inputs.mjs, reference.mjs and differences.mjs have the others.
import * as http from "./http.mjs";
import { compressed, plain } from "./websocket.mjs";

const parsers = { http: http.parser, websocket: plain, "websocket, compressed": compressed };
const byParser = (give) => Object.fromEntries(Object.entries(parsers).map(([name, parser]) => [name, give(parser)]));

export const makers = byParser(({ kind, make }) => (chance) => ({ kind, bytes: make(chance) }));
export const differences = byParser((parser) => parser.differences);
export const same = byParser((parser) => parser.same);
export const reference = Object.fromEntries(Object.values(parsers).map(({ kind, understand }) => [kind, understand]));
