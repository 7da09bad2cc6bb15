#!/bin/sh
# Installs the Debian packages that are missing. As root it installs; otherwise it prints the one
# command to run and stops. With --quiet it says nothing when all are there.
quiet=
[ "$1" = --quiet ] && quiet=yes && shift
if ! command -v dpkg-query >/dev/null 2>&1; then
    [ -n "$quiet" ] || echo "not a Debian system: install the equivalents of: $*"
    exit 0
fi
missing=
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
        missing="$missing $package"
done
if [ -z "$missing" ]; then
    [ -n "$quiet" ] || echo "all packages are installed"
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "missing packages; run: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "installing:$missing"
apt-get update -q >/dev/null 2>&1
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >&2
