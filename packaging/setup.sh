#!/usr/bin/env bash
# Installs what the named purposes need (see dependencies.txt): setup.sh build test ...
# Quick when all is there. Uses sudo when not root.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v apt-get >/dev/null; then
    echo "setup: this system has no apt-get; install what packaging/dependencies.txt names by hand" >&2
    exit 1
fi

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'; }

missing=()
for purpose in "$@"; do
    while read -r kind names; do
        [ "$kind" = "$purpose" ] || continue
        found=
        for name in ${names//|/ }; do
            installed "$name" && found=1
        done
        [ -n "$found" ] || missing+=("$names")
    done < <(grep -v '^#' "$here/dependencies.txt")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "setup: run as root, or install sudo: packages are missing: ${missing[*]}" >&2; exit 1; }
    sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
packages=()
for names in "${missing[@]}"; do
    choice=
    for name in ${names//|/ }; do
        if [ -z "$choice" ] && apt-cache show "$name" >/dev/null 2>&1; then choice=$name; fi
    done
    [ -n "$choice" ] || { echo "setup: no package of this distribution gives $names; Debian 12 and Ubuntu 24.04 are known to work" >&2; exit 1; }
    packages+=("$choice")
done
echo "setup: installing ${packages[*]}"
$sudo apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
