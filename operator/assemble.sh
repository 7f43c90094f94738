#!/bin/sh
# Puts what the image holds into a folder: the pinned dependencies, and the wheel that is built from this tree.
#
#     operator/assemble.sh TARGET
#
# operator/Dockerfile runs it; so does the test, where there is no container engine. The same tree and the same Python
# give the same bytes. Needs $PYTHON (python3) with pip and venv, and a package registry.
set -eu
target=$1
tree=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Times in archives and of files; any will do that is always the same.
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1700000000}" PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

"$python" -m venv "$work/build"
"$work/build/bin/python" -m pip install --quiet --require-hashes -r "$tree/requirements/build.txt"
(cd "$tree" && "$work/build/bin/python" -m hatchling build -t wheel -d "$work/wheels" >/dev/null)

install() { "$python" -m pip install --quiet --no-compile --root-user-action=ignore --target "$target" "$@"; }
install --require-hashes --only-binary :all: -r "$tree/requirements/runtime.txt"
# Console scripts name the Python that made them, and nobody calls them. pip warns when it finds the folder again.
rm -rf "$target/bin"
# By name: a path would be written down in the package's metadata.
install --no-deps --no-index --find-links "$work/wheels" servicetokens
rm -rf "$target/bin"
# The root file system is read-only, so nothing could be compiled later. Not checked against the source at run time.
"$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$target" -p /app "$target"
find "$target" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
