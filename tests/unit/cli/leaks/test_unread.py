"""What no decoder understands is named, wherever it is; ordinary files are not."""

import base64
import gzip
import random
import subprocess

import pytest

from common.builders.encoded import MARGINS, tarred, zipped
from common.repository import ROOT
from servicetokens.cli.leaks import finder, unread
from servicetokens.tokens.format import assemble

NOISE = random.Random(7).randbytes(20_000)
TEXT = b"".join(
    b"2026-11-30T10:29:%02dZ INFO request %d done\n" % (number % 60, number) for number in range(400)
)
TOKEN = assemble("svt", "0123456789AB", b"x" * 32)
LINES = b"\n".join(base64.b64encode(NOISE)[at : at + 64] for at in range(0, 640, 64))

PUBLIC_KEYS = b"\x99\x02\x0d\x04\x60\x04\x1d\x0c\x01\x10\0" + NOISE

ZSTANDARD = b"\x28\xb5\x2f\xfd\x04\x88" + NOISE[:400]
FILES = {
    "Zstandard data": ZSTANDARD,
    "lzip data": b"LZIP\x01\x0c" + NOISE[:400],
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\x00\x04" + NOISE[:400],
    "a RAR archive": b"Rar!\x1a\x07\x01\x00" + NOISE[:400],
    "a CAB archive": b"MSCF\0\0\0\0" + NOISE[:400],
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n",
    "encrypted data (OpenSSL)": b"Salted__" + NOISE[:400],
    "encrypted data (KeePass)": b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5" + NOISE[:400],
    "encrypted data (LUKS)": b"LUKS\xba\xbe\0\2" + NOISE[:400],
    "encrypted data (age)": b"age-encryption.org/v1\n-> X25519 abc\n" + NOISE[:400],
}
SHORT_SIGNS = {
    "data of `compress`": b"\x1f\x9d\x90" + NOISE[:400],
    "LZ4 data": b"\x04\x22\x4d\x18" + NOISE[:400],
    "a dump of PostgreSQL that is no SQL": b"PGDMP\x01\x0f\0\x04\x08\x01" + bytes(400),
    "a database of Redis": b"REDIS0011\xfa\x09redis-ver\x057.2.4" + bytes(400),
    "a Parquet, ORC or Avro file": b"PAR1\x15\x04\x15" + bytes(400),
    "LZ4 data (Mozilla)": b"mozLz40\0" + bytes(400),
    "a SquashFS image": b"hsqs\x07\0\0\0" + bytes(400),
}
MEDIA = {
    "a PNG picture": b"\x89PNG\r\n\x1a\n" + NOISE,
    "a JPEG picture": b"\xff\xd8\xff\xe0" + NOISE,
    "a WebP picture": b"RIFF\0\1\0\0WEBPVP8 " + NOISE,
    "a font": b"wOF2" + NOISE,
}
ARMOURED = {
    "encrypted data (PGP)": b"-----BEGIN PGP MESSAGE-----\nVersion: GnuPG v2\n\n"
    + LINES
    + b"\n-----END PGP MESSAGE-----",
    "encrypted data (age)": b"-----BEGIN AGE ENCRYPTED FILE-----\n"
    + LINES
    + b"\n-----END AGE ENCRYPTED FILE-----",
    "encrypted data (CMS)": b"-----BEGIN CMS-----\n" + LINES + b"\n-----END CMS-----",
    "encrypted data (Ansible Vault)": b"$ANSIBLE_VAULT;1.1;AES256\n" + NOISE[:40].hex().encode() + b"\n",
    "encrypted data (SOPS)": b"token: ENC["
    b"AES256_GCM,data:Tr7oc19nc6t1m9OrUeo=,iv:1vzlPZLfy6wa14/x17P8Ix8wEGDe=,tag:x]",
    "encrypted data (OpenSSL)": base64.b64encode(b"Salted__" + NOISE[:90]),
    "encrypted data (SealedSecret)": b"encryptedData:\n    token: "
    + base64.b64encode(b"\x02\0" + NOISE[:600]),
}


@pytest.mark.parametrize("kind", [*FILES, *SHORT_SIGNS])
def test_a_file_of_an_unknown_kind_is_named_wherever_it_is(kind: str) -> None:
    """Alone, in a compressed archive with its name, behind other data, and in a mail."""
    data = {**FILES, **SHORT_SIGNS}[kind]
    assert finder.find(data).unread == (kind,)
    assert finder.find(gzip.compress(tarred({"a.txt": TEXT, "b/c.bin": data}))).unread == (
        f"b/c.bin: {kind}",
    )
    assert finder.find(zipped(data)).unread == (f"logs/app.log: {kind}",)
    if kind in FILES:
        assert kind in finder.find(TEXT + b"\0\1" + data).unread
        assert kind in finder.find(TEXT + base64.encodebytes(data) + TEXT).unread


@pytest.mark.parametrize("margin", ["a quotation", "git diff, added", "docker compose", "YAML"])
@pytest.mark.parametrize("kind", ARMOURED)
def test_encrypted_text_is_named_below_other_text(kind: str, margin: str) -> None:
    """Whatever stands in front of its lines, and as a string in JSON."""
    assert finder.find(TEXT + MARGINS[margin](b"here it is:\n" + ARMOURED[kind]) + b"\n" + TEXT).unread == (
        kind,
    )
    assert finder.find(b'{"x": "' + ARMOURED[kind].replace(b"\n", b"\\n") + b'"}').unread == (kind,)


def test_data_that_looks_random_is_named() -> None:
    """A format without known bytes at its beginning: alone, in an archive, behind a header, and in base64."""
    assert finder.find(NOISE).unread == (unread.OPAQUE,)
    assert finder.find(NOISE[:100]).unread == (unread.OPAQUE,)
    assert finder.find(tarred({"x": NOISE, "y": TEXT})).unread == (f"x: {unread.OPAQUE}",)
    assert finder.find(TEXT + bytes(500) + NOISE).unread == (unread.OPAQUE,)
    for text in (base64.b64encode(NOISE), base64.encodebytes(NOISE), base64.urlsafe_b64encode(NOISE)):
        assert finder.find(b"data: " + text).unread == (f"base64 of {unread.OPAQUE}",)


def test_what_is_unpacked_inside_other_data_is_not_named() -> None:
    """Its bytes look random, but all of them were searched."""
    packed = gzip.compress(base64.b64encode(NOISE) + TEXT, 9)
    report = finder.find(
        TEXT + b"\0\0" + gzip.compress(TEXT * 20 + b"".join(b"%x " % byte for byte in NOISE))
    )
    assert report.unread == ()
    assert finder.find(packed).unread == (f"base64 of {unread.OPAQUE}",)


@pytest.mark.parametrize("kind", MEDIA)
def test_pictures_inside_other_data_are_counted(kind: str) -> None:
    """A repository has some; alone, one is what was asked about, and that is not looked at."""
    data = MEDIA[kind]
    assert finder.find(data).unread == (kind,)
    for inside in (
        tarred({"a.bin": data, "b.txt": TEXT}),
        b'<img src="data:image/png;base64,' + base64.b64encode(data),
    ):
        report = finder.find(inside)
        assert (report.unread, report.media) == ((), 1)
    report = finder.find(tarred({"a.bin": data + TOKEN.reveal().encode()}))
    assert [sighting.token for sighting in report.sightings] == [TOKEN]


def test_ordinary_files_are_read_to_the_end() -> None:
    """All texts of this repository: source code, pages, manifests, checksums, logs. No false alarm."""
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    texts = [ROOT / name for name in names if name and not name.endswith(".png")]
    assert len(texts) > 500
    alarms = {
        str(path): report
        for path in texts
        if path.is_file() and ((report := finder.find(path.read_bytes())).unread or report.media)
    }
    assert alarms == {}


@pytest.mark.parametrize(
    "data",
    [
        b"\n".join(base64.b64encode(NOISE[at : at + 32]) for at in range(0, 20_000, 32)),
        b"\n".join(NOISE[at : at + 32].hex().encode() + b"  file" for at in range(0, 20_000, 32)),
        NOISE.hex().encode(),
        b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(NOISE[:1500]) + b"-----END CERTIFICATE-----\n",
        b'"integrity": "sha512-' + base64.b64encode(NOISE[:64]) + b'",\n',
        "Größe: 5 µm, naïve café — “quoted” …\n".encode() * 200,
        "Größe: 5 µm, naïve café\n".encode("latin-1") * 200,
        "検索したい文字列\n".encode("shift-jis") * 200,
        "поиск токенов\n".encode("koi8-r") * 200,
        "Größe\n".encode("utf-16") * 500,
        b"About -----BEGIN PGP MESSAGE-----, $ANSIBLE_VAULT;, %PDF-1.7, Salted__ and ENC[AES256_GCM,data:\n",
        bytes(range(256)) * 40,
        PUBLIC_KEYS,
        b"Keys of the project:\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n"
        + base64.encodebytes(PUBLIC_KEYS)
        + b"=4x2f\n",
    ],
    ids=[
        "digests",
        "checksums",
        "hex",
        "certificate",
        "lock",
        "UTF-8",
        "Latin-1",
        "SJIS",
        "KOI8",
        "UTF-16",
        "page",
        "table",
        "public keys",
        "armored public keys",
    ],
)
def test_keys_checksums_and_texts_are_no_alarm(data: bytes) -> None:
    """They look random in part, or name what cannot be read."""
    report = finder.find(data)
    assert (report.sightings, report.unread, report.media) == ((), (), 0)
