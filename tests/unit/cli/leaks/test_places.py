"""Places where tokens have leaked: logs of CI, states, archives, and what git stores."""

import base64
import binascii
import contextlib
import gzip
import json
import random
import sqlite3
import subprocess
from pathlib import Path

import pytest

from common.builders.encoded import wrapped, zipped
from servicetokens.cli.leaks import finder
from servicetokens.tokens.format import assemble

TOKEN = assemble("svt", "0a1B2c3D4e5F", random.Random(3).randbytes(32))
TEXT = TOKEN.reveal()
GIT = ("git", "-c", "user.email=jane@example.com", "-c", "user.name=Jane Doe", "-c", "commit.gpgsign=false")


def _base64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def _uuencoded(data: bytes) -> str:
    lines = (binascii.b2a_uu(data[at : at + 45], backtick=True) for at in range(0, len(data), 45))
    return f"begin 644 app.log\n{b''.join(lines).decode()}`\nend\n"


def _actions() -> str:
    secret = wrapped(_base64(f"token={TEXT}").encode(), 76, b"  ").decode().split("\n")
    lines = ["##[group]Run kubectl get secret", "apiVersion: v1", "data:", *secret, "##[endgroup]"]
    return "\n".join(f"2026-11-30T10:29:{n:02d}.{1234567 + 11 * n}Z {line}" for n, line in enumerate(lines))


def _sqlite() -> bytes:
    """Return a database: a row has its values directly behind each other."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute("create table tokens (name text, token text, state text)")
        database.execute("insert into tokens values ('ci', ?, 'active')", (TEXT,))
        database.commit()
        return database.serialize()


def _environment_in_protobuf() -> bytes:
    """Return a container as Kubernetes stores it: behind the last variable, `resources` begins with the byte `B`."""
    variable = b"\x0a\x05TOKEN\x12" + bytes([len(TEXT)]) + TEXT.encode()
    return (
        b"k8s\0\x0a\x09\x0a\x02v1"
        b"\x3a" + bytes([len(variable)]) + variable + b"B\0J\x1c\x0a\x04data" + bytes(90)
    )


PLACES: dict[str, str | bytes] = {
    "GitHub Actions": _actions(),
    "Jenkins": f"\x1b[8mha:////4{_base64(bytes(90))}\x1b[0ma {TEXT[:20]}\x1b[8mha:////4{'A' * 90}\x1b[0m{TEXT[20:]}",
    "Terraform": json.dumps({"values": json.dumps({"env": json.dumps({"T": TEXT.replace("_", "\\u005f")})})}),
    "variables of a shell": "declare -x API_TOKEN=$'{}'\n".format(TEXT.replace("_", "\\137")),
    "HAR": json.dumps({"content": {"encoding": "base64", "text": _base64(gzip.compress(TEXT.encode()))}}),
    "a chat": json.dumps([{"text": f"token: `{TEXT.replace('_', '&#95;')}`"}]),
    "a notebook": json.dumps({"source": [f't = ("{TEXT[:30]}"\n', f'     "{TEXT[30:]}")\n']}, indent=1),
    "docker inspect": json.dumps([{"Config": {"Env": ["AUTH=" + _base64(f"user:{TEXT}")]}}]),
    "SQL": f"(1,0x{f'secret {TEXT}'.encode().hex()}),",
    "COPY of PostgreSQL": f"1\t\\\\x{TEXT.encode().hex()}\tx\n",
    "two strings on a line": f'const token = "{TEXT[:9]}" + "{TEXT[9:]}";\n',
    "a list of strings": json.dumps([TEXT[:20], TEXT[20:40], TEXT[40:]]),
    "a database of SQLite": _sqlite(),
    "strings of a Go program": f"invalid argument{TEXT}net/http: request canceled".encode(),
    "a Pod in a snapshot of etcd": _environment_in_protobuf(),
    "CBOR": b"\xa2\x65token\x78" + bytes([len(TEXT)]) + TEXT.encode() + b"\x64type\x61x",
    "an object of Java": b"\xac\xed\0\x05t\0"
    + bytes([len(TEXT)])
    + TEXT.encode()
    + b"t\0\x06active"
    + bytes(90),
    "an array of JavaScript, pretty": json.dumps(
        {"t": {str(at): byte for at, byte in enumerate(TEXT.encode())}}, indent=2
    ),
    "uuencode": _uuencoded(f"the token: {TEXT}\n".encode()),
    "a mail": "Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(zipped(TEXT.encode())).decode(),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_token_is_found_where_tokens_leak(place: str) -> None:
    """As the tool writes it."""
    data = PLACES[place]
    report = finder.find(data.encode() if isinstance(data, str) else data)
    assert [sighting.token for sighting in report.sightings] == [TOKEN]
    assert report.unread == ()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository whose second of three commits holds the token: one object differs from another."""
    lines = [f"line {number} {random.Random(number).random()}" for number in range(300)]

    def commit(content: list[str]) -> None:
        (tmp_path / "app.log").write_text("\n".join(content))
        subprocess.run([*GIT, "add", "app.log"], cwd=tmp_path, check=True)
        subprocess.run([*GIT, "commit", "-qm", "a commit"], cwd=tmp_path, check=True)

    subprocess.run([*GIT, "init", "-q"], cwd=tmp_path, check=True)
    commit(lines)
    commit([*lines[:150], f"token: {TEXT}", *lines[150:]])
    commit([*lines[:20], "changed", *lines[20:]])
    return tmp_path


def test_a_token_in_the_history_of_git_is_found(repository: Path) -> None:
    """In a bundle, and in a pack with differences, although it is in no file any more."""
    subprocess.run([*GIT, "bundle", "create", "-q", "all.bundle", "--all"], cwd=repository, check=True)
    subprocess.run([*GIT, "gc", "-q", "--aggressive"], cwd=repository, check=True)
    (pack,) = repository.glob(".git/objects/pack/*.pack")
    listed = subprocess.run(
        [*GIT, "verify-pack", "-v", str(pack)], cwd=repository, check=True, capture_output=True, text=True
    )
    assert "chain length = 1" in listed.stdout
    for file in (repository / "all.bundle", pack):
        report = finder.find(file.read_bytes())
        assert [sighting.token for sighting in report.sightings] == [TOKEN], file
        assert report.unread == ()


def test_a_token_in_a_binary_patch_of_git_is_found(repository: Path) -> None:
    """Git writes a file with a NUL byte as base85 of what zlib makes of it."""
    (repository / "core").write_bytes(b"\0" + random.Random(1).randbytes(300) + TEXT.encode())
    subprocess.run([*GIT, "add", "core"], cwd=repository, check=True)
    patch = subprocess.run(
        [*GIT, "diff", "--cached", "--binary"], cwd=repository, check=True, capture_output=True
    )
    assert b"GIT binary patch" in patch.stdout
    assert [sighting.token for sighting in finder.find(patch.stdout).sightings] == [TOKEN]


def test_a_damaged_pack_and_one_without_its_bases_are_named(repository: Path) -> None:
    """What does not exist cannot be searched."""
    subprocess.run(
        [*GIT, "bundle", "create", "-q", "last.bundle", "HEAD~1..HEAD"], cwd=repository, check=True
    )
    thin = finder.find((repository / "last.bundle").read_bytes())
    assert thin.unread == ("objects of git that differ from some that are not here",)
    subprocess.run([*GIT, "gc", "-q"], cwd=repository, check=True)
    (pack,) = repository.glob(".git/objects/pack/*.pack")
    data = pack.read_bytes()
    assert finder.find(data[: len(data) // 2]).unread == ("a damaged git pack",)
    assert finder.find(data[:200] + bytes(50) + data[250:]).unread == ("a damaged git pack",)
