"""Archives that are damaged, encrypted, of an unknown kind, too deep or too large: named, never passed over."""

import gzip
import io
import zipfile
import zlib

import pytest

from common.builders.encoded import PACKED, zipped
from servicetokens.cli.leaks import finder, packing
from servicetokens.cli.leaks.packing import Budget
from servicetokens.tokens.format import assemble

TOKEN = assemble("svt", "0123456789AB", b"x" * 32)
TEXT = TOKEN.reveal().encode()
MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_data_that_ends_too_early_is_searched_and_reported(kind: str) -> None:
    """What could be unpacked of it counts, and so does what could not."""
    noise = b"".join(b"%08x\n" % zlib.crc32(b"%d" % number) for number in range(MEBIBYTE // 8))
    packed = PACKED[kind](TEXT + noise)
    report = finder.find(packed[: len(packed) * 9 // 10])
    assert report.unread == (f"{kind} data that ends too early",)
    assert [sighting.token for sighting in report.sightings] == [TOKEN]


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_damaged_data_is_reported(kind: str) -> None:
    """Its first bytes say what it was meant to be."""
    packed = bytearray(PACKED[kind](TEXT * 100))
    packed[len(packed) // 2 :] = b"\xff" * 500
    assert finder.find(bytes(packed)).unread == (f"damaged {kind} data",)


def test_several_streams_in_one_file_are_all_searched() -> None:
    """As `cat a.gz b.gz` makes them."""
    report = finder.find(gzip.compress(b"nothing") + gzip.compress(TEXT))
    assert [sighting.token for sighting in report.sightings] == [TOKEN]


@pytest.mark.parametrize("kind", sorted(PACKED))
def test_an_archive_behind_a_header_is_searched(kind: str) -> None:
    """A self-extracting archive, the body of a recorded request."""
    report = finder.find(b"#!/bin/sh\n\0\1\2" + PACKED[kind](TEXT))
    assert [sighting.token for sighting in report.sightings] == [TOKEN]


@pytest.mark.parametrize("kind", sorted(PACKED))
def test_a_bomb_is_not_unpacked_to_its_end(kind: str) -> None:
    """What a small file unpacks to has no bound; memory does."""
    budget = Budget(3 * MEBIBYTE)
    parts = packing.unpack(PACKED[kind](bytes(16 * MEBIBYTE)), budget)
    assert [part.problem for part in parts] == [packing.TOO_MUCH]
    assert sum(len(part.data) for part in parts) <= 3 * MEBIBYTE


def test_a_bomb_without_a_header_is_not_unpacked_to_its_end() -> None:
    """Compressed data without any sign is bounded as well, and its problem is said."""
    data = zlib.compress(b"a line\n" * (2 * MEBIBYTE), wbits=-zlib.MAX_WBITS)
    assert [part.problem for part in packing.unpack(data, Budget(3 * MEBIBYTE))] == [packing.TOO_MUCH]
    assert packing.unpack(data[:1000], Budget(3 * MEBIBYTE))[0].problem == ""


@pytest.mark.parametrize("sign", [b"PK\x03\x04", b"\x1f\x8b\x08\x08"])
def test_what_looks_like_many_archives_costs_no_more_than_the_budget(sign: bytes) -> None:
    """Each beginning would otherwise be followed to the end of the data: minutes for a megabyte."""
    budget = Budget(4 * MEBIBYTE)
    parts = packing.unpack(b"x" + sign * (MEBIBYTE // 4), budget)
    assert [part.data for part in parts] in ([], [b""])
    assert budget.left >= 0
    assert not parts or parts[0].problem == packing.TOO_MUCH


def test_more_layers_than_are_searched_are_reported() -> None:
    """Whatever is deeper may hold a token."""
    packed = TEXT
    for _ in range(finder.LAYERS):
        packed = gzip.compress(packed)
    assert finder.find(packed).unread == ()
    report = finder.find(gzip.compress(packed))
    assert (report.sightings, report.unread) == ((), (packing.TOO_DEEP,))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x28\xb5\x2f\xfd rest", "Zstandard data"),
        (b"7z\xbc\xaf\x27\x1c rest", "a 7z archive"),
        (b"%PDF-1.7\n", "a PDF document"),
    ],
)
def test_data_of_an_unsupported_kind_is_named(data: bytes, kind: str) -> None:
    """Also in an archive, with its file."""
    assert finder.find(data).unread == (kind,)
    assert finder.find(zipped(data)).unread == (f"logs/app.log: {kind}",)


def test_an_encrypted_file_of_an_archive_is_named() -> None:
    """The other files are searched."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("secret.txt", b"x")
        archive.writestr("plain.txt", TEXT)
    data = bytearray(out.getvalue())
    # Bit 0 of the flags says that a file is encrypted: in its own header and in the directory.
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    report = finder.find(bytes(data))
    assert report.unread == ("secret.txt: encrypted",)
    assert [sighting.token for sighting in report.sightings] == [TOKEN]


def test_a_method_that_is_not_supported_is_named() -> None:
    """Newer methods of compression in a zip archive."""
    data = bytearray(zipped(TEXT))
    for at in (8, data.index(b"PK\x01\x02") + 10):
        data[at : at + 2] = b"\x5d\0"
    assert finder.find(bytes(data)).unread == ("logs/app.log: compressed by a method that is not supported",)


def test_damage_in_a_zip_archive_is_named() -> None:
    """A file whose checksum does not fit, and an archive without its directory."""
    data = bytearray(zipped(TEXT))
    data[14] ^= 0xFF
    data[data.index(b"PK\x01\x02") + 16] ^= 0xFF
    assert finder.find(bytes(data)).unread == ("logs/app.log: damaged",)
    assert finder.find(zipped(TEXT)[:60]).unread == ("a damaged zip archive",)


def test_an_archive_with_very_many_files_is_searched_up_to_a_limit() -> None:
    """Their names alone cost time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(10_001):
            archive.writestr(f"{number}", b"")
    assert finder.find(out.getvalue()).unread == ("a zip archive after its first 10000 files",)
