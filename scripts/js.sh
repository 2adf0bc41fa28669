#!/bin/sh
# Checks the review page's ES modules with TypeScript's checker (nothing is compiled), pinned in scripts/js and
# installed into its ignored node_modules where that is missing or another version.
set -eu
cd "$(dirname "$0")/js"
if ! command -v npm >/dev/null; then
    echo "no npm here: install Node.js 20 or newer (Debian: apt-get install npm); the page's scripts were not checked" >&2
    exit 1
fi
wanted=$(cksum < package-lock.json)
if [ "$(cat node_modules/.setup 2>/dev/null)" != "$wanted" ]; then
    npm ci --silent --no-audit --no-fund
    printf '%s' "$wanted" > node_modules/.setup
fi
node_modules/.bin/tsc -p .
