// SPDX-License-Identifier: Apache-2.0
// The rpm: its metadata, and that a server runs from its files. It is not installed, because this machine uses deb.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { folder, run } from "./machine.mjs";
import { fetchText, until, watch } from "./service.mjs";

const { STOA_PACKAGES: packages, STOA_VERSION: version } = process.env;
const rpm = path.join(packages, `stoa-${version}-1.${run("rpm", "--eval", "%{_arch}").trim()}.rpm`);
const root = folder();
let server;
after(() => {
  server?.kill();
  rmSync(root, { recursive: true, force: true });
});

const query = (...options) => run("rpm", "-qp", ...options, rpm).trim().split("\n");

test("its digests are right", () => {
  assert.match(run("rpm", "-K", "--nosignature", rpm), /digests OK/);
});

test("it has the server, page, manual and unit, and upgrades keep changed scripts", () => {
  const files = query("-l");
  for (const file of ["/usr/bin/stoa", "/usr/share/stoa/page/index.html", "/usr/share/stoa/page/vendor/socket.io.esm.min.js",
    "/usr/share/man/man1/stoa.1.gz", "/usr/share/man/man5/stoa.lua.5.gz", "/usr/lib/systemd/system/stoa.service",
    "/usr/share/doc/stoa/README.md", "/usr/share/doc/stoa/examples/nginx.conf"]) assert.ok(files.includes(file), file);
  const owned = query("--qf", "[%{FILENAMES} %{FILEFLAGS:fflags} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME}\n]").filter(
    (line) => line.startsWith("/etc/") && line.includes(" -"));
  assert.ok(owned.length > 10);
  for (const line of owned) assert.match(line, / cn /);
  assert.ok(owned.includes("/etc/stoa/stoa.lua cn -rw-r----- root:stoa"), owned.join("\n"));
});

test("it owns no folder of other packages", () => {
  const folders = query("--qf", "[%{FILENAMES} %{FILEMODES:perms}\n]").filter((line) => line.includes(" d")).map((line) => line.split(" ")[0]);
  for (const name of folders) assert.match(name, /\/stoa\b|\/\.build-id/);
});

test("it has licence, copyright and changelog", () => {
  assert.deepEqual(query("--qf", "%{LICENSE}"), ["Apache-2.0"]);
  assert.deepEqual(query("--licensefiles"), ["/usr/share/doc/stoa/LICENSE", "/usr/share/doc/stoa/copyright"]);
  const changelog = query("--changelog");
  assert.match(changelog[0], new RegExp(`^\\* \\w{3} \\w{3} \\d\\d \\d{4} .* - ${version}-1$`));
  assert.match(changelog[1], /^- Added: /);
});

test("it requires the libraries, and the tools that create its user", () => {
  const requires = query("--requires");
  for (const name of ["libevent", "libwebsockets", "libluajit", "libsqlite3"]) assert.ok(requires.some((line) => line.startsWith(name)), name);
  assert.match(query("--scripts").join("\n"), /useradd --system/);
});

const at = (name) => path.join(root, name);

test("its files can be extracted", () => {
  run("sh", "-c", `cd ${root} && rpm2cpio ${rpm} | cpio -id --quiet`);
  for (const file of query("-l").filter((name) => !name.includes("/.build-id"))) assert.ok(existsSync(at(file)), file);
});

test("LuaJIT finds stoa.testing in it", () => {
  const file = query("-l").find((name) => name.endsWith("/stoa/testing.so"));
  const folders = run("luajit", "-e", "print(package.cpath)").trim().split(";");
  assert.ok(folders.includes(file.replace("stoa/testing.so", "?.so")), `${file} is in ${folders}`);
  assert.equal(run("env", `LUA_CPATH=${at(file).replace("stoa/testing.so", "?.so")}`, "luajit", "-e", 'print(type(require "stoa.testing"))'), "table\n");
});

test("a server runs from its files", async () => {
  const settings = { listen: "127.0.0.1:0", static_folder: at("usr/share/stoa/page"), "store.path": at("stoa.db"), control: at("stoa.sock") };
  const sets = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  server = watch(spawn(at("usr/bin/stoa"), ["serve", "--config", at("etc/stoa/stoa.lua"), ...sets], { stdio: ["ignore", "pipe", "pipe"] }));
  const ready = () => server.log.map((line) => line.match(/server\.ready listen=(\S+)/)).find(Boolean);
  await until("ready", () => ready() || server.ended !== undefined);
  assert.equal(server.ended, undefined, server.log.join("\n"));
  const address = ready()[1].replaceAll('"', "");
  assert.equal((await fetchText(`http://${address}/health`)).status, 200);
  assert.equal((await fetchText(`http://${address}/`)).text, readFileSync(at("usr/share/stoa/page/index.html"), "utf8"));
  server.end();
  await until("the end", () => server.ended !== undefined);
  assert.equal(server.ended, 0);
});
