"""The packs in which git keeps and transfers objects, also those in bundles (git's Documentation/gitformat-pack.txt).

An object is compressed on its own, and may be written as its difference from another one.
"""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_HEADER: Final = 12
_ID: Final = 20
_NAMES: Final = {1: b"commit", 2: b"tree", 3: b"blob", 4: b"tag"}
_DELTA_BY_OFFSET: Final = 6
_DELTA_BY_ID: Final = 7
# zlib's bound for what it cannot compress, and some more.
_OVERHEAD: Final = 128
# A copy of length 0 means this length.
_WHOLE_COPY: Final = 0x10000


class DamagedPack(ValueError):
    """The pack does not go on as packs do."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object: where it begins in the pack and how many bytes it takes there, its kind and its content.

    The kind is 0 when what it differs from is not in the pack; its content is the difference then.
    """

    start: int
    size: int
    kind: int
    content: bytes


@dataclass(slots=True)
class _Known:
    by_offset: dict[int, Object] = field(default_factory=dict)
    by_id: dict[bytes, Object] = field(default_factory=dict)

    def add(self, found: Object) -> None:
        self.by_offset[found.start] = found
        if found.kind:
            header = b"%b %d\0" % (_NAMES[found.kind], len(found.content))
            self.by_id[hashlib.sha1(header + found.content, usedforsecurity=False).digest()] = found


def objects(data: memoryview) -> Iterator[Object]:
    """Yield the objects in the pack that *data* begins with.

    Raises:
        DamagedPack: after the objects that could be read.
    """
    known = _Known()
    position = _HEADER
    try:
        for _ in range(int.from_bytes(data[8:_HEADER], "big")):
            found = _object(data, position, known)
            known.add(found)
            yield found
            position += found.size
    except (IndexError, KeyError, zlib.error) as error:
        message = "the pack is damaged"
        raise DamagedPack(message) from error


def _object(data: memoryview, start: int, known: _Known) -> Object:
    first = data[start]
    kind = first >> 4 & 7
    length, position = first & 15, start + 1
    if first & 0x80:
        more, position = _number(data, position)
        length |= more << 4
    base: Object | None = None
    if kind == _DELTA_BY_OFFSET:
        distance, position = _distance(data, position)
        base = known.by_offset.get(start - distance)
    elif kind == _DELTA_BY_ID:
        base = known.by_id.get(bytes(data[position : position + _ID]))
        position += _ID
    content, position = _inflated(data, position, length)
    if kind not in _NAMES:
        kind, content = (base.kind, _changed(base.content, content)) if base and base.kind else (0, content)
    return Object(start, position - start, kind, content)


def _inflated(data: memoryview, position: int, length: int) -> tuple[bytes, int]:
    """Return *length* bytes that begin compressed at *position*, and where they end."""
    decompressor = zlib.decompressobj()
    out = bytearray()
    while not decompressor.eof:
        # No more than is needed: what is left over is copied.
        fed = data[position : position + length + length // 500 + _OVERHEAD]
        out += decompressor.decompress(fed, length + 1 - len(out))
        taken = len(fed) - len(decompressor.unused_data) - len(decompressor.unconsumed_tail)
        position += taken
        if len(out) > length or (not taken and not decompressor.eof):
            raise IndexError
    if len(out) != length:
        raise IndexError
    return bytes(out), position


def _number(data: memoryview, position: int) -> tuple[int, int]:
    """Return the number at *position*, seven bits of which are in each byte, the lowest first, and where it ends."""
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return number, position


def _distance(data: memoryview, position: int) -> tuple[int, int]:
    byte = data[position]
    distance = byte & 0x7F
    while byte & 0x80:
        position += 1
        byte = data[position]
        distance = (distance + 1) << 7 | byte & 0x7F
    return distance, position + 1


def _changed(base: bytes, delta: bytes) -> bytes:
    """Return *base* with the difference *delta*: pieces of *base*, and what is new."""
    view = memoryview(delta)
    _, position = _number(view, 0)
    length, position = _number(view, position)
    out = bytearray()
    while position < len(view):
        code = view[position]
        position += 1
        if code & 0x80:
            values = []
            for bit in range(7):
                values.append(view[position] if code >> bit & 1 else 0)
                position += code >> bit & 1
            offset = int.from_bytes(bytes(values[:4]), "little")
            size = int.from_bytes(bytes(values[4:]), "little") or _WHOLE_COPY
            out += base[offset : offset + size]
        else:
            out += view[position : position + code]
            position += code
        if len(out) > length:
            raise IndexError
    return bytes(out)
