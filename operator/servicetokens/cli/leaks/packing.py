"""Compressed data and archives, unpacked within bounds.

Damaged data gives what could be read of it and a problem; what cannot be read at all is named, never passed over.
"""

import bz2
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, Protocol

from servicetokens.cli.leaks import gitpack
from servicetokens.cli.leaks.text import SHORTEST, texts

TOO_MUCH: Final = "data that unpacks to more than is searched"
TOO_DEEP: Final = "data that is packed more than eight times"

_CHUNK: Final = 1024 * 1024
# So much tells whether data without a header is compressed: other data is wrong after some hundred bytes.
_TRIED: Final = 4096
# Files in one archive: more cost time for their names alone.
_MOST_FILES: Final = 10_000

_GZIP: Final = b"\x1f\x8b"
_BZIP2: Final = re.compile(rb"BZh[1-9]1AY&")
_XZ: Final = b"\xfd7zXZ\x00"
# As git stores objects. Too short to be looked for inside other data, and a fourth kind (`x^`) begins texts as well.
_ZLIB: Final = (b"x\x01", b"x\x9c", b"x\xda")
# How a PDF document introduces a compressed stream.
_STREAM: Final = re.compile(rb"stream\r?\n(?=x[\x01\x5e\x9c\xda])")
_ZIP: Final = b"PK\x03\x04"
_GIT: Final = (b"PACK\0\0\0\2", b"PACK\0\0\0\3")
# How everything that can be unpacked here begins; and more, which `_kind` rules out.
_BEGINNING: Final = re.compile(
    rb"\x1f\x8b|\xfd7zXZ\x00|x[\x01\x5e\x9c\xda]|\]\0\0|BZh[1-9]1AY&|PK\x03\x04|PACK\0\0\0"
)
# What begins inside other data, for instance an archive behind a header.
_INNER: Final = re.compile(
    rb"\x1f\x8b\x08[\x00-\x1f]|PK\x03\x04|BZh[1-9]1AY&|\xfd7zXZ\x00|PACK\x00\x00\x00[\x02\x03]"
)
# From zlib's manual: 16 more for the header of gzip, and negative for none at all.
_WINDOW_BITS: Final = {"gzip": zlib.MAX_WBITS + 16, "zlib": zlib.MAX_WBITS, "deflate": -zlib.MAX_WBITS}
# What xz writes with `--format=lzma`: the usual properties, the size of its window, and the size or none.
_LZMA: Final = re.compile(rb"\]\0\0.[\0-\x10](?:\xff{8}|.{5}\0\0\0)", re.DOTALL)


@dataclass(slots=True)
class Budget:
    """How many bytes decoding may still read from archives and produce, all attempts together."""

    left: int

    def spend(self, size: int) -> bool:
        """Take *size* bytes; False, and nothing left, when there are not as many."""
        if size > self.left:
            self.left = 0
            return False
        self.left -= size
        return True


@dataclass(frozen=True, slots=True)
class Part:
    """Something that was packed: its name in an archive, where it began, its content, and what was wrong."""

    name: str
    start: int
    data: bytes
    problem: str = ""
    #: How many bytes it takes up, packed; 0 where that is not known.
    size: int = 0


class _Decompressor(Protocol):
    """What bz2 and lzma have in common; `_Zlib` gives zlib the same shape."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def is_packed(data: bytes) -> bool:
    """Say whether *data* begins as compressed data or an archive that can be unpacked here."""
    return data.startswith((_ZIP, *_GIT)) or _kind(memoryview(data)) not in {"", "zlib"}


def is_packed_within(data: bytes) -> bool:
    """Say whether *data* is or holds compressed data or an archive that can be unpacked here."""
    if _BEGINNING.match(data) and (_kind(memoryview(data)) or data.startswith((_ZIP, *_GIT))):
        return True
    return bool(_INNER.search(data)) or _deflates(data)


def unpack(data: bytes, budget: Budget) -> list[Part]:
    """Return what is packed in *data*; empty when nothing is."""
    return (
        list(_unpack_at(memoryview(data), 0, budget))
        or list(_inner(data, budget))
        or list(_headerless(data, budget))
    )


def _headerless(data: bytes, budget: Budget) -> Iterator[Part]:
    """Yield what *data* is without the compression of RFC 1951 (raw deflate), which has no sign of its own.

    Without a sign it cannot be said that such data is damaged: it may be something else.
    """
    if _deflates(data):
        part = _stream(memoryview(data), 0, budget, "deflate")
        yield part if part.problem == TOO_MUCH else replace(part, problem="")


def _deflates(data: bytes) -> bool:
    """Say whether *data* begins as compressed text without any header."""
    try:
        begun = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[:_TRIED], _TRIED)
    except zlib.error:
        return False
    return len(begun) >= SHORTEST and (bool(_BEGINNING.match(begun)) or any(True for _ in texts(begun)))


def _inner(data: bytes, budget: Budget) -> Iterator[Part]:
    """Yield what begins inside *data*. By chance such bytes are anywhere, so what gives nothing was never packed."""
    end, saw_zip = 0, False
    for match in chain(_INNER.finditer(data, 1), _STREAM.finditer(data) if b"stream" in data else ()):
        start = match.start() if match[0][:6] != b"stream" else match.end()
        is_zip = match[0] == _ZIP
        # A zip archive is found from its end, so one look finds it, wherever its first header is.
        if start < end or (is_zip and saw_zip):
            continue
        saw_zip |= is_zip
        for part in _unpack_at(memoryview(data)[start:], start, budget):
            if part.data or part.problem == TOO_MUCH:
                yield part
                end = max(end, start + part.size)
        if not budget.left:
            return


def _unpack_at(data: memoryview, start: int, budget: Budget) -> Iterator[Part]:
    if bytes(data[: len(_ZIP)]) == _ZIP:
        yield from _zip(bytes(data), start, budget)
        return
    if bytes(data[: len(_GIT[0])]) in _GIT:
        yield from _git(data, start, budget)
        return
    kind = _kind(data)
    if kind:
        yield _stream(data, start, budget, kind)


def _kind(data: memoryview) -> str:
    head = bytes(data[:8])
    if head.startswith(_GZIP):
        return "gzip"
    if head.startswith(_XZ):
        return "xz"
    if head.startswith(_ZLIB) or (head.startswith(b"x^") and _inflates(data)):
        return "zlib"
    if _LZMA.match(bytes(data[:13])):
        return "lzma"
    return "bzip2" if _BZIP2.match(head) else ""


def _inflates(data: memoryview) -> bool:
    """Say whether the beginning of *data* is compressed by zlib: `x^` also begins texts."""
    try:
        return bool(zlib.decompressobj().decompress(bytes(data[:1024])))
    except zlib.error:
        return False


def _decompressor(kind: str) -> _Decompressor:
    if kind in _WINDOW_BITS:
        return _Zlib(_WINDOW_BITS[kind])
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE if kind == "lzma" else lzma.FORMAT_XZ)


class _Zlib:
    """zlib's decompressor returns the input that it did not process yet; the others keep it."""

    def __init__(self, wbits: int) -> None:
        self._zlib = zlib.decompressobj(wbits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        piece = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # A full piece may leave more of it inside, with or without input that was not taken.
        self.needs_input = len(piece) < max_length
        return piece


def _stream(data: memoryview, start: int, budget: Budget, kind: str) -> Part:
    """Unpack *data*, which may be several streams one after the other, as `cat a.gz b.gz` makes."""
    out = io.BytesIO()
    position = 0
    while True:
        decompressor = _decompressor(kind)
        try:
            while not decompressor.eof:
                fed = bytes(data[position : position + _CHUNK]) if decompressor.needs_input else b""
                if not fed and decompressor.needs_input:
                    return Part("", start, out.getvalue(), f"{kind} data that ends too early", position)
                position += len(fed)
                if not budget.spend(len(fed)):
                    return Part("", start, out.getvalue(), TOO_MUCH, position)
                piece = decompressor.decompress(fed, _CHUNK)
                if not budget.spend(len(piece)):
                    return Part("", start, out.getvalue(), TOO_MUCH, position)
                out.write(piece)
        except (zlib.error, OSError, EOFError, lzma.LZMAError):
            return Part("", start, out.getvalue(), f"damaged {kind} data", position)
        position -= len(decompressor.unused_data)
        if position == len(data) or _kind(data[position:]) != kind:
            return Part("", start, out.getvalue(), "", position)


def _zip(data: bytes, start: int, budget: Budget) -> Iterator[Part]:
    if not budget.spend(len(data)):
        yield Part("", start, b"", TOO_MUCH)
        return
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, OSError, ValueError):
        yield Part("", start, b"", "a damaged zip archive")
        return
    with archive:
        for number, info in enumerate(archive.infolist()):
            if number == _MOST_FILES:
                yield Part("", start, b"", f"a zip archive after its first {_MOST_FILES} files")
                return
            yield _member(archive, info, start, budget)


def _git(data: memoryview, start: int, budget: Budget) -> Iterator[Part]:
    try:
        for found in gitpack.objects(data):
            # What is copied from another object is counted, too: a small difference can copy much.
            if not budget.spend(found.size + len(found.content)):
                yield Part("", start, b"", TOO_MUCH)
                return
            problem = "" if found.kind else "objects of git that differ from some that are not here"
            yield Part("", start + found.start, found.content, problem, found.size)
    except gitpack.DamagedPack:
        yield Part("", start, b"", "a damaged git pack")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, start: int, budget: Budget) -> Part:
    out = io.BytesIO()
    try:
        with archive.open(info) as file:
            while piece := file.read(_CHUNK):
                if not budget.spend(len(piece)):
                    return Part(info.filename, start, out.getvalue(), TOO_MUCH)
                out.write(piece)
    except NotImplementedError:
        return Part(info.filename, start, out.getvalue(), "compressed by a method that is not supported")
    except RuntimeError:  # what zipfile raises without a password
        return Part(info.filename, start, out.getvalue(), "encrypted")
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return Part(info.filename, start, out.getvalue(), "damaged")
    return Part(info.filename, start, out.getvalue())
