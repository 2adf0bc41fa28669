#!/bin/sh
# The browser that tests open pages in: Debian's chromium, installed where it is missing and we may.
set -eu
if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then exit 0; fi
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null
else
    echo "no chromium here: install it (Debian: apt-get install chromium); the tests that need a browser fail without" >&2
fi
