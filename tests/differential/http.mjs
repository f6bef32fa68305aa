// SPDX-License-Identifier: Apache-2.0
// HTTP: a connection's bytes for Node.js's own parser (llhttp), with ws where a WebSocket begins, and for Stoa's. What is understood: the
// requests, and then ["more"], ["closed"] (by the last request), ["websocket"], or ["refused", why, where].
import { createRequire } from "node:module";
import { cut } from "./cut.mjs";

const require = createRequire(import.meta.url);
const { HTTPParser, methods } = require("_http_common");
const { WebSocketServer } = createRequire(new URL("../scenes/package.json", import.meta.url))("ws");
const HEAD_MAX = 16384;
const ENDS = ["more", "closed", "websocket", "refused"];

// ---- the reference

const wss = new WebSocketServer({ noServer: true, perMessageDeflate: true });
let verdict;
wss.completeUpgrade = () => (verdict = ["websocket"]);
wss.on("wsClientError", (error) => (verdict = ["refused", error.message]));

function handshake({ method, fields }) {
  const headers = {};
  for (const [name, value] of fields) headers[name.toLowerCase()] = headers[name.toLowerCase()] === undefined ? value : `${headers[name.toLowerCase()]}, ${value}`;
  wss.handleUpgrade({ method, headers }, { on() {} }, Buffer.alloc(0), () => {});
  return verdict;
}

const valuesOf = ({ fields }, wanted) => fields.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
const lists = (request, name, word) => valuesOf(request, name).some((value) => value.split(",").some((item) => item.trim().toLowerCase() === word));

function pairs(flat) {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1].replace(/^[ \t]+|[ \t]+$/g, "")]);
}

// One parser, as far as it goes: up to the first upgrade.
function parse(bytes) {
  const parser = new HTTPParser(), requests = [];
  let request, early = [], url = "";
  parser.initialize(HTTPParser.REQUEST, {}, HEAD_MAX, 0);
  parser[HTTPParser.kOnHeaders] = (flat, part) => {
    if (request) return; // trailers
    early.push(...flat);
    url += part;
  };
  parser[HTTPParser.kOnHeadersComplete] = (major, minor, flat, method, target, status, phrase, upgrade, keep) => {
    request = { method: methods[method], target: target ?? url, minor: major === 1 ? minor : `${major}.${minor}`, fields: pairs(flat ?? early), body: "" };
    Object.defineProperty(request, "shown", { value: { upgrade, keep } });
    early = [];
    url = "";
    return 0;
  };
  parser[HTTPParser.kOnBody] = (piece) => (request.body += piece.toString("latin1"));
  parser[HTTPParser.kOnMessageComplete] = () => {
    requests.push(request);
    request = undefined;
  };
  const result = parser.execute(bytes);
  const error = typeof result === "number" ? null : result;
  return { requests, error, used: error ? error.bytesParsed : result, open: request };
}

/** What the reference understands. */
export function understand(bytes) {
  const value = [];
  for (let at = 0; ; ) {
    const { requests, error, used, open } = parse(bytes.subarray(at));
    for (const request of open ? [...requests, open] : requests) {
      if (request.minor === 1 && valuesOf(request, "host").length === 0) return [...value, ["refused", "host", at + used]]; // as http.createServer
      if (request === open) break;
      if (request.shown.upgrade && lists(request, "upgrade", "websocket")) return [...value, handshake(request)];
      value.push(request);
      if (!request.shown.keep) return [...value, ["closed"]];
    }
    if (error) return [...value, ["refused", error.code, at + used]];
    if (open?.shown.upgrade && used < bytes.length - at) return [...value, ["refused", "hidden by the upgrade", at + used]];
    const upgrades = requests.at(-1)?.shown.upgrade && !open;
    at += used;
    if (!upgrades || at >= bytes.length) return [...value, ["more"]]; // an upgrade to anything else is ignored
  }
}

// ---- the same

const isEnd = (item) => Array.isArray(item) && ENDS.includes(item[0]);
const sameItem = (a, b) => (isEnd(a) || isEnd(b) ? isEnd(a) && isEnd(b) && a[0] === b[0] : JSON.stringify(a) === JSON.stringify(b));

/** Do both understand the same? The reason of a refusal does not count. */
export const same = (theirs, ours) => theirs.length === ours.length && theirs.every((item, i) => sameItem(item, ours[i]));

// What each has at the first difference.
function parting({ bytes, theirs, ours }) {
  const at = theirs.findIndex((item, i) => !sameItem(item, ours[i]));
  return { bytes, their: theirs[at], our: ours[at] };
}

const ourFault = (fault, is = () => true) => (seen) => {
  const { their, our, bytes } = parting(seen);
  return isEnd(our) && our[1] === fault && is(their, bytes.toString("latin1"));
};
const either = (faults, is) => (seen) => faults.some((fault) => ourFault(fault, is)(seen));
const isRequest = (item) => item !== undefined && !isEnd(item);
const KNOWN = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const head = (line, ...fields) => Buffer.from([line, "Host: a", ...fields, "", ""].join("\r\n"), "latin1");
const post = (fields, body) => Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`, "latin1");
const handshakeWith = (...fields) => head("GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", ...fields);
const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const taken = (their) => isRequest(their) || ["more", "closed", "websocket"].includes(their?.[0]);
const offered = (fault, is) => ourFault(fault, (their, text) => taken(their) && is(text));

const versions = (text) => [...text.matchAll(/sec-websocket-version:([^\r\n]*)/gi)].map(([, version]) => version);
const refusedAt = (item) => item?.[0] === "refused" && typeof item[2] === "number";

// The line of that place, up to the place.
function lineBefore(bytes, place) {
  const text = bytes.toString("latin1", 0, place + 1).replace(/[\r\n]+$/, "");
  return text.slice(text.lastIndexOf("\n") + 1);
}

// docs/wire.md lists each.
export const differences = [
  {
    name: "refused-when-whole", // a line is checked when it is complete, and two fields together when the head is complete
    example: Buffer.from("GET / HTTP/1.1\r\nHo st"),
    is(seen) {
      const { their, our, bytes } = parting(seen);
      if (our?.[0] !== "more" || !refusedAt(their)) return false;
      const whole = /INVALID_(TRANSFER_ENCODING|CONTENT_LENGTH)/.test(their[1]) ? "\r\n\r\n" : "\n";
      return !bytes.subarray(their[2]).includes(whole);
    },
  },
  { name: "empty-line-before", example: Buffer.from("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), is: either(["request_line", "line_end"], (their, text) => /^[\r\n]|\n\r?\n[\r\n]|[^\n][\r\n]*\n[\r\n]/.test(text) && taken(their)) },
  { name: "method", example: head("PURGE / HTTP/1.1"), is: ourFault("method", (their) => !isRequest(their) || !KNOWN.includes(their.method)) },
  { name: "target", example: head("GET http://b/ HTTP/1.1"), is: ourFault("target", (their) => taken(their) || their[0] === "refused") },
  { name: "field-twice", example: head("GET / HTTP/1.1", "Host: b"), is: ourFault("field_twice", taken) },
  { name: "host-empty", example: Buffer.from("GET / HTTP/1.1\r\nHost:\r\n\r\n"), is: ourFault("host", (their, text) => taken(their) && /host:[ \t]*\r\n/i.test(text)) },
  { name: "transfer-encoding", example: post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), is: ourFault("transfer_encoding", taken) },
  { name: "content-length", example: post("Content-Length: 0000000000000000001", "a"), is: ourFault("content_length", taken) },
  { name: "version", example: head("GET / HTTP/2.0"), is: ourFault("version", taken) },
  { name: "fields", example: head("GET / HTTP/1.1", ...Array(100).fill("A: b")), is: ourFault("fields", taken) },
  {
    name: "chunk-extension", // it is ignored
    example: post("Transfer-Encoding: chunked", "1; a\r\nx\r\n0\r\n\r\n"),
    is({ theirs, ours, bytes }) {
      const { their } = parting({ theirs, ours, bytes });
      return refusedAt(their) && /^[0-9a-f]{1,16};[^\r\n]*$/i.test(lineBefore(bytes, their[2]));
    },
  },
  {
    name: "trailer", // it is ignored, whatever its meaning
    example: post("Transfer-Encoding: chunked", "0\r\nContent-Length: 5\r\n\r\n"),
    is: (seen) => seen.ours.some((request) => !isEnd(request) && lists(request, "transfer-encoding", "chunked")) && /\n0+(;[^\r\n]*)?\r\n([^\r\n]+\r\n)*(connection|content-length|transfer-encoding|upgrade)/i.test(seen.bytes.toString("latin1")),
  },
  {
    name: "tab-behind-a-value", // white space is white space
    example: post("Content-Length: 1\t", "x"),
    is(seen) {
      const { their, our, bytes } = parting(seen);
      const differs = /INVALID_(CONTENT_LENGTH|TRANSFER_ENCODING)/.test(their?.[1]) || our?.[0] === "closed" || (isRequest(their) && lists(their, "connection", "upgrade"));
      return differs && /(content-length|transfer-encoding|connection):[^\r\n]*\t[ \t]*\r\n/i.test(bytes.toString("latin1"));
    },
  },
  { name: "http-0.9", example: Buffer.from("GET /\r\n"), is: either(["request_line", "line_end"], (their) => taken(their) && (!isRequest(their) || their.minor === "0.9")) },
  { name: "chunk-size-of-17-digits", example: post("Transfer-Encoding: chunked", "00000000000000001\r\na\r\n0\r\n\r\n"), is: ourFault("chunk", (their, text) => taken(their) && /\n0[0-9a-f]{16}/i.test(text)) },
  {
    name: "http-1.0-is-the-last",
    example: Buffer.from("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    is: (seen) => parting(seen).our?.[0] === "closed" && seen.ours.at(-2)?.minor === 0,
  },
  { name: "handshake-without-connection", example: head("GET / HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Version: 13", KEY), is: ourFault("handshake", isRequest) },
  {
    name: "handshake-body",
    example: handshakeWith(KEY, "Content-Length: 1"),
    is: offered("handshake", (text) => /content-length:|transfer-encoding:/i.test(text)),
  },
  { name: "handshake-key", example: handshakeWith("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="), is: offered("handshake", (text) => /sec-websocket-key:\s*\S{22}==/i.test(text)) },
  { name: "handshake-version", example: Buffer.from(handshakeWith(KEY).toString().replace("13", "8")), is: offered("websocket_version", (text) => versions(text).some((version) => [8, 13].includes(Number(version)))) },
  {
    name: "upgrade-list",
    example: Buffer.from(handshakeWith(KEY).toString().replace(": websocket", ": h2c, websocket")),
    is: (seen) => parting(seen).our?.[0] === "websocket" && parting(seen).their?.[1] === "Invalid Upgrade header",
  },
  {
    name: "deflate-declined", // an offer that cannot be accepted is not an error
    example: handshakeWith(KEY, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99"),
    is: (seen) => parting(seen).our?.[0] === "websocket" && /Extensions/.test(parting(seen).their?.[1]),
  },
  {
    name: "subprotocols-empty-or-twice",
    example: handshakeWith(KEY, "Sec-WebSocket-Protocol: a,,a"),
    is: (seen) => parting(seen).our?.[0] === "websocket" && /Protocol/.test(parting(seen).their?.[1]),
  },
];

// ---- inputs

const NAMES = ["Host", "Connection", "Upgrade", "Content-Length", "Transfer-Encoding", "Cookie", "Accept", "Origin", "X-A", "Expect", "TE", "a!#$%&'*+-.^_`|~9", "User-Agent"];
const VALUES = ["a", "", "b c", "keep-alive", "close", "Upgrade", "chunked", "\xe9", "\t x \t", "\"q\"", "0", "5", "http://a", "100-continue", "x".repeat(70)];
const MARKS = ["\r", "\n", "\r\n", "\0", "\t", " ", ":", ";", ",", "\x7f", "\x80", "0", "1", "a", "/", "%", "?", "\"", "=", "\r\n\r\n", "\r\n ", "5\r\n", "0\r\n\r\n"];
const LINES = ["Content-Length: 3", "Content-Length: +3", "Content-Length: 3, 3", "Content-Length: 0x3", "Content-Length: 003", "Content-Length: 18446744073709551616",
  "Content-Length: 99999999999999999999", "Content-Length:", "Content-Length: 3 ", "Content-Length : 3", "Transfer-Encoding: chunked", "transfer-encoding: Chunked",
  "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding : chunked",
  "Transfer-Encoding:\tchunked ", "Transfer-Encoding: identity", "Transfer-Encoding:", "Connection: close", "Connection: keep-alive, close", "Connection: closed", "Connection: Upgrade",
  "Connection: keep-alive", "Upgrade: h2c", "Upgrade: websocket", "Upgrade: WebSocket, h2c", "Expect: 100-continue", "Host: b", "Host:", " folded", "\tfolded", "no colon", ": x",
  "A\t: b", "A b: c", "Cookie: a=b; c=d", "Cookie: e=f", "Trailer: X", "Te: trailers", "X-Forwarded-For: 1.2.3.4, 5.6.7.8"];
const SIZES = ["0", "1", "3", "5", "a", "A", "0003", "0000000000000003", "00000000000000003", "f0000000000000003", "ffffffffffffffff", "0x3", "+3", "-3", " 3", "3 ", "3\t", "3g", "", "3;a", "3;a=b", "3 ; a",
  "3;a=\"b;c\"", "3;a=\"b\\\"c\"", "3;", "3;=", "3;\x80", "3;a\rb"];
const TARGETS = ["/", "/a/b", "/a?b=c&d=%20", "/%41", "/%4", "/%zz", "/%00", "/a#b", "*", "http://a/b", "a:80", "//x", "/\x7f", "/\xe9", "/?" + "a&".repeat(23), "/?" + "a&".repeat(24), "/;" + "x".repeat(300), ""];
const KEYS = ["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", "dGhlIHNhbXBsZSBub25j", "AAAAAAAAAAAAAAAAAAAAAA==", "dGhlIHNhbXBsZSBub25jZ*==", ""];
const EXTENSIONS = ["permessage-deflate", "permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=15; server_no_context_takeover",
  "permessage-deflate; client_max_window_bits=99", "permessage-deflate; client_max_window_bits=\"10\"", "permessage-deflate; x", "permessage-deflate, permessage-deflate; server_max_window_bits=7", "a;=b", "a; b=\"", "x-webkit-deflate-frame", "a; b=c d", ""];
const PROTOCOLS = ["a", "a, b", "a,,b", "a, a", "a b", "", ",", "(a)", "arduino, mqtt"];

function chunk(chance) {
  const body = "x".repeat(chance.below(20));
  const size = chance.oneIn(8) ? chance.of(SIZES) : body.length.toString(16);
  return `${size}${chance.oneIn(10) ? chance.of([";a=b", ";a", ";a=\"b c\"", "; x"]) : ""}\r\n${body}\r\n`;
}

function chunks(chance) {
  const trailers = chance.oneIn(6) ? chance.list(2, () => `${chance.of(LINES)}\r\n`).join("") : "";
  return `${chance.list(3, () => chunk(chance)).join("")}${chance.oneIn(12) ? chance.of(SIZES) : "0"}\r\n${trailers}\r\n`;
}

function handshakeFields(chance) {
  const fields = ["Connection: Upgrade", `Upgrade: ${chance.oneIn(8) ? chance.of(["WebSocket", "h2c, websocket", "websocket, h2c", "websockets", "h2c"]) : "websocket"}`,
    `Sec-WebSocket-Version: ${chance.oneIn(10) ? chance.of(["8", "7", "13, 8", "013", "", "0xd", "13.0"]) : "13"}`, `Sec-WebSocket-Key: ${chance.oneIn(6) ? chance.of(KEYS) : KEYS[0]}`];
  if (chance.oneIn(3)) fields.push(`Sec-WebSocket-Extensions: ${chance.of(EXTENSIONS)}`);
  if (chance.oneIn(3)) fields.push(`Sec-WebSocket-Protocol: ${chance.of(PROTOCOLS)}`);
  if (chance.oneIn(8)) fields.splice(chance.below(fields.length), 1);
  return fields;
}

function request(chance) {
  const body = chance.below(6), upgrade = body === 0 && chance.oneIn(2);
  const method = chance.oneIn(16) ? chance.of(["PROPFIND", "get", "CONNECT", "TRACE", "X", "", "M-SEARCH", "QUERY"]) : upgrade ? "GET" : chance.of(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]);
  const version = chance.oneIn(16) ? chance.of(["1.0", "1.0", "0.9", "2.0", "1.2", "1.10", "01.1", "3"]) : "1.1";
  const fields = ["Host: a", ...chance.list(3, () => (chance.oneIn(4) ? chance.of(LINES) : `${chance.of(NAMES.slice(5))}: ${chance.of(VALUES)}`))];
  if (chance.oneIn(40)) fields.shift();
  if (chance.oneIn(400)) fields.push(...Array(95 + chance.below(10)).fill("A: b"));
  if (upgrade) fields.push(...handshakeFields(chance));
  const content = body < 3 ? "" : body < 5 ? "x".repeat(chance.below(30)) : chunks(chance);
  if (body === 3 || body === 4) fields.push(`Content-Length: ${content.length}`);
  if (body === 5) fields.push(`Transfer-Encoding: ${chance.oneIn(6) ? "CHUNKED" : "chunked"}`);
  if (chance.oneIn(4)) fields.reverse();
  const end = chance.oneIn(60) ? chance.of(["\n", "\r", "\r\r\n", " \r\n"]) : "\r\n";
  return `${method} ${chance.oneIn(8) ? chance.of(TARGETS) : "/"} HTTP/${version}${end}${fields.map((field) => `${field}\r\n`).join("")}\r\n${content}`;
}

function changed(chance, text) {
  const at = chance.below(text.length + 1), before = text.slice(0, at), after = text.slice(at);
  switch (chance.below(6)) {
    case 0:
      return before + chance.of(MARKS) + after;
    case 1:
      return before + chance.of(MARKS) + after.slice(1);
    case 2:
      return before + after.slice(1 + chance.below(4));
    case 3:
      return before + after.slice(0, 8) + after;
    case 4:
      return `${before}\r\n${chance.of(LINES)}${after}`;
    default:
      return chance.oneIn(3) ? before : text;
  }
}

/** One to three requests, sometimes corrupted. */
export function make(chance) {
  let text = [request(chance), ...chance.list(2, () => request(chance))].join(chance.oneIn(30) ? "\r\n" : "");
  for (let left = chance.oneIn(3) ? 1 + chance.below(3) : 0; left > 0; left--) text = changed(chance, text);
  return Buffer.from(text, "latin1");
}

export const parser = { kind: "h", make, same, differences, understand: (bytes) => ({ value: understand(bytes), frames: cut(bytes) }) };
