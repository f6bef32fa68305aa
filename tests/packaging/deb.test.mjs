// SPDX-License-Identifier: Apache-2.0
// A machine on which the deb is installed, used, upgraded, removed and purged.
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { folder, inside, makeDebian, run, skipUnlessPossible } from "./machine.mjs";
import { fetchText, startService, statesAfter, until } from "./service.mjs";

skipUnlessPossible();
const { STOA_PACKAGES: packages, STOA_VERSION: version } = process.env;
const UNIT = "usr/lib/systemd/system/stoa.service";
const architecture = run("dpkg", "--print-architecture").trim();
const deb = path.join(packages, `stoa_${version}_${architecture}.deb`);
const root = makeDebian(packages, "service", run("dpkg-deb", "-f", deb, "Depends").trim());
const at = (name) => path.join(root, name);
let service;
after(() => {
  service?.kill();
  rmSync(root, { recursive: true, force: true });
});

function install(file) {
  cpSync(file, at("tmp/stoa.deb"));
  inside(root, "apt-get", "-qq", "--no-install-recommends", "install", "-y", "/tmp/stoa.deb");
}

const status = () => inside(root, "dpkg-query", "-W", "-f", "${db:Status-Status}", "stoa");
const edit = (name, from, to) => {
  const text = readFileSync(at(name), "utf8");
  assert.ok(text.includes(from), `${name} has ${from}`);
  writeFileSync(at(name), text.replace(from, to));
};

test("it installs with only its dependencies", () => {
  install(deb);
  assert.equal(status(), "installed");
  assert.equal(inside(root, "stoa", "--version"), `stoa ${version}\n`);
});

test("only root and the server's group can read the configuration and the database", () => {
  assert.equal(inside(root, "stat", "-c", "%A %U:%G", "/etc/stoa/stoa.lua"), "-rw-r----- root:stoa\n");
  assert.equal(inside(root, "stat", "-c", "%A %U:%G", "/var/lib/stoa"), "drwxr-x--- stoa:stoa\n");
});

test("each file below /etc is a conffile", () => {
  const listed = inside(root, "dpkg-query", "-L", "stoa").split("\n").filter((name) => name.startsWith("/etc/"));
  const files = listed.filter((name) => statSync(at(name)).isFile()).sort();
  const conffiles = inside(root, "dpkg-query", "-W", "-f", "${Conffiles}", "stoa").trim().split("\n");
  assert.deepEqual(conffiles.map((line) => line.trim().split(" ")[0]).sort(), files);
  assert.ok(files.includes("/etc/stoa/scripts/chat.lua"));
});

test("licence, copyright and changelog are in Debian's places", () => {
  const licence = readFileSync(at("usr/share/common-licenses/Apache-2.0"), "utf8");
  assert.equal(readFileSync(at("usr/share/doc/stoa/LICENSE"), "utf8"), licence);
  const copyright = readFileSync(at("usr/share/doc/stoa/copyright"), "utf8");
  assert.match(copyright, /^Format: .*\n(.*\n)*Files: \*\nCopyright: .*\nLicense: Apache-2\.0\n/);
  const vendor = copyright.match(/^Files: (usr\/share\/stoa\/page\/vendor\/.*)$/gm).map((line) => path.basename(line));
  assert.deepEqual(vendor, readdirSync(at("usr/share/stoa/page/vendor")));
  const changelog = run("zcat", at("usr/share/doc/stoa/changelog.gz"));
  assert.ok(changelog.startsWith(`stoa (${version}) `), changelog);
  writeFileSync(at("tmp/changelog"), changelog);
  const newest = run("dpkg-parsechangelog", "-l", at("tmp/changelog"));
  assert.match(newest, /^Source: stoa$/m);
  assert.match(newest, /^Date: \w{3}, \d\d \w{3} \d{4} /m);
  assert.match(newest, /^ {3}\* Added: /m);
});

test("the binary is hardened", () => {
  const headers = run("readelf", "-hldW", at("usr/bin/stoa")), symbols = run("readelf", "-W", "--dyn-syms", at("usr/bin/stoa"));
  assert.match(headers, /Type:\s+DYN/);
  assert.match(headers, /Flags: NOW PIE/);
  assert.match(headers, /GNU_RELRO/);
  assert.match(headers, /GNU_STACK .* RW /);
  assert.match(symbols, /__stack_chk_fail/);
  assert.match(symbols, /__(snprintf|vsnprintf|memcpy)_chk/);
});

test("the manual has both pages, and names each setting", () => {
  run("man", "--warnings", "-l", at("usr/share/man/man1/stoa.1.gz"));
  const page = run("man", "-l", at("usr/share/man/man5/stoa.lua.5.gz")).replace(/\s+/g, " ");
  const keys = inside(root, "stoa", "keys").match(/^\| `[^`]+`/gm).map((row) => row.slice(3, -1));
  assert.ok(keys.length > 50);
  for (const key of keys) assert.ok(page.includes(key), key);
});

test("systemd accepts the unit, and it is enabled", () => {
  const wants = "etc/systemd/system/multi-user.target.wants/stoa.service";
  assert.ok(readdirSync(path.dirname(at(wants))).includes(path.basename(wants)));
  const dir = folder(), unit = readFileSync(at(UNIT), "utf8").replaceAll("=/usr/bin/stoa", `=${root}/usr/bin/stoa`);
  writeFileSync(path.join(dir, "stoa.service"), unit);
  const complaints = run("sh", "-c", `systemd-analyze verify --man=no ${dir}/stoa.service 2>&1`);
  rmSync(dir, { recursive: true });
  assert.equal(complaints, "");
});

test("the service as installed is ready, healthy, and serves the page", async () => {
  edit("etc/stoa/stoa.lua", '-- listen = "127.0.0.1:3000"', 'listen = env "LISTEN"'); // not a port that the machine uses
  writeFileSync(at("etc/stoa/environment"), "LISTEN=127.0.0.1:0\n");
  service = startService(root, UNIT);
  await until("READY=1", () => service.states.includes("READY=1") || service.ended !== undefined);
  assert.equal(service.ended, undefined, service.log.join("\n"));
  const { listen } = JSON.parse(inside(root, "env", "LISTEN=", "stoa", "status"));
  assert.equal((await fetchText(`http://${listen}/health`)).status, 200);
  const page = await fetchText(`http://${listen}/`);
  assert.equal(page.status, 200);
  assert.equal(page.text, readFileSync(at("usr/share/stoa/page/index.html"), "utf8"));
  assert.equal(inside(root, "stat", "-c", "%U", "/var/lib/stoa/stoa.db"), "stoa\n");
});

test("ExecReload reloads and tells systemd", async () => {
  const before = service.states.length;
  service.reload();
  await until("READY=1 again", () => statesAfter(service, before).includes("READY=1"));
  assert.deepEqual(statesAfter(service, before), ["RELOADING=1", "READY=1"]);
  assert.ok(service.log.some((line) => line.includes("reload.done generation=2")), service.log.join("\n"));
});

test("a reload of a broken script changes nothing, names the line, and fails for systemd", async () => {
  const script = readFileSync(at("etc/stoa/scripts/alerts.lua"), "utf8");
  writeFileSync(at("etc/stoa/scripts/alerts.lua"), "local = 1\n");
  const before = service.states.length;
  assert.throws(() => service.reload(), /alerts\.lua:1:/);
  await until("READY=1 again", () => statesAfter(service, before).includes("READY=1"));
  assert.ok(service.log.some((line) => /reload\.failed .*\/etc\/stoa\/scripts\/alerts\.lua:1:/.test(line)), service.log.join("\n"));
  writeFileSync(at("etc/stoa/scripts/alerts.lua"), script);
});

test("SIGTERM ends it with 0", async () => {
  process.kill(Number(service.pid()), "SIGTERM");
  await until("the end", () => service.ended !== undefined);
  assert.equal(service.ended, 0, service.log.join("\n"));
  assert.ok(service.states.includes("STOPPING=1"));
});

test("an upgrade keeps what the owner changed", (t) => {
  const dir = folder(), changed = readFileSync(at("etc/stoa/stoa.lua"), "utf8");
  t.after(() => rmSync(dir, { recursive: true }));
  run("dpkg-deb", "-R", deb, dir);
  const control = path.join(dir, "DEBIAN/control");
  writeFileSync(control, readFileSync(control, "utf8").replace(`Version: ${version}`, `Version: ${version}+next`));
  run("dpkg-deb", "--root-owner-group", "-b", dir, at("tmp/next.deb"));
  install(at("tmp/next.deb"));
  assert.equal(inside(root, "dpkg-query", "-W", "-f", "${Version}", "stoa"), `${version}+next`);
  assert.equal(readFileSync(at("etc/stoa/stoa.lua"), "utf8"), changed);
  assert.equal(inside(root, "stat", "-c", "%A %U:%G", "/etc/stoa/stoa.lua"), "-rw-r----- root:stoa\n");
});

test("removing it keeps configuration, scripts and messages", () => {
  inside(root, "dpkg", "-r", "stoa");
  assert.equal(status(), "config-files");
  assert.ok(!existsSync(at("usr/bin/stoa")));
  for (const kept of ["etc/stoa/stoa.lua", "etc/stoa/scripts/chat.lua", "var/lib/stoa/stoa.db"]) assert.ok(existsSync(at(kept)), kept);
});

test("purging it removes them, but not what the owner added", () => {
  writeFileSync(at("etc/stoa/scripts/dice.lua"), "-- mine\n");
  inside(root, "dpkg", "--purge", "stoa");
  for (const gone of ["etc/stoa/stoa.lua", "etc/stoa/scripts/chat.lua", "var/lib/stoa"]) assert.ok(!existsSync(at(gone)), gone);
  assert.ok(existsSync(at("etc/stoa/scripts/dice.lua")));
  assert.ok(!existsSync(at("etc/systemd/system/multi-user.target.wants/stoa.service")));
});
