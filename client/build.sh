#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh TARGET: the page as the server serves it (static files; no bundler).
set -eu
cd "$(dirname "$0")"
target=${1:?usage: build.sh TARGET}
[ -d node_modules/socket.io-client ] || npm ci --no-audit --no-fund --silent
mkdir -p "$target/vendor"
cp page/* sdk/stoa.js "$target/"
cp node_modules/socket.io-client/dist/socket.io.esm.min.js "$target/vendor/"
