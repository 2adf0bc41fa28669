#!/bin/sh
# The PostgreSQL server that tests talk to: Debian's, installed where it is missing and we may.
set -eu
if command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then exit 0; fi
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql >/dev/null
else
    echo "no PostgreSQL here: install it (Debian: apt-get install postgresql); the tests that need it are skipped" >&2
fi
