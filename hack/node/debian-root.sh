#!/bin/bash
# Writes a minimal root file system of Debian as a tar archive: debian-root.sh SUITE TAR PACKAGE...
#
# Needs root and debootstrap.
set -eu
suite=$1 tar=$(realpath -m "$2")
shift 2
# In memory where there is room (a root takes 600 MB at most): dpkg syncs each file, which takes minutes on a busy disk.
free=$(df --output=avail -k /dev/shm 2>/dev/null | tail -1 || echo 0)
if [ "${free:-0}" -gt 2000000 ]; then export TMPDIR=/dev/shm; fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
packages=$(IFS=,; echo "$*")
debootstrap --variant=minbase --include="$packages" "$suite" "$root" >&2
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
tar -C "$root" --numeric-owner -cf "$tar" .
