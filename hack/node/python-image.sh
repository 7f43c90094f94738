#!/bin/bash
# Imports a stand-in for the official image python:3.13-slim into the container engine: python-image.sh ROOT_TAR NAME
#
# Debian 13's Python 3.13 under the names that the official image has. The machine's own certificates and settings of pip
# go in, so that pip in the container reaches whatever pip outside it reaches. Needs root.
set -eu
tar=$(realpath "$1") name=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
tar -C "$root" -xf "$tar"
# The official image's Python belongs to no package manager.
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
for link in python python3 pip pip3; do ln -sf "/usr/bin/$link" "$root/usr/local/bin/$link"; done
[ ! -f /etc/ssl/certs/ca-certificates.crt ] ||
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
[ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/pip.conf"
tar -C "$root" --numeric-owner -c . | docker import --change 'CMD ["python3"]' \
    --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' - "$name"
