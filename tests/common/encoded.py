"""What people's tools make of a text that holds a token: encodings, dumps, archives, and terminals."""

import base64
import bz2
import gzip
import io
import json
import lzma
import quopri
import zipfile
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote_from_bytes

Encoder = Callable[[bytes], bytes]


def wrapped(data: bytes, width: int, before: bytes = b"") -> bytes:
    """Break each line of *data* at *width*, and begin each piece with *before*."""
    pieces = (
        line[start : start + width]
        for line in data.split(b"\n")
        for start in range(0, max(len(line), 1), width)
    )
    return b"\n".join(before + piece for piece in pieces)


def escaped(data: bytes) -> bytes:
    """Write *data* as a string in a JSON document, with the underscore as an escape, too."""
    text = json.dumps({"message": data.decode("latin-1"), "level": "info"})
    return text.replace("_", "\\u005f").encode()


def zipped(data: bytes) -> bytes:
    """Put *data* into a zip archive, in the file `logs/app.log`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("logs/app.log", data)
    return out.getvalue()


def dumped(data: bytes, line: Callable[[int, bytes], str]) -> bytes:
    """Write *data* as a hex dump of 16 bytes to the line; *line* gets the offset and the bytes."""
    return "\n".join(line(start, data[start : start + 16]) for start in range(0, len(data), 16)).encode()


def _gutter(piece: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)


def _xxd(start: int, piece: bytes) -> str:
    return f"{start:08x}: {piece.hex(' ', 2):<39}  {_gutter(piece)}"


def _hexdump_canonical(start: int, piece: bytes) -> str:
    return f"{start:08x}  {piece[:8].hex(' '):<23}  {piece[8:].hex(' '):<23}  |{_gutter(piece)}|"


def _hexdump_words(start: int, piece: bytes) -> str:
    words = (piece[at : at + 2].ljust(2, b"\0") for at in range(0, len(piece), 2))
    return f"{start:07x} " + " ".join(f"{word[1]:02x}{word[0]:02x}" for word in words)


def _od(start: int, piece: bytes) -> str:
    return f"{start:06x} {piece.hex(' '):<47}  >{_gutter(piece)}<"


#: Text in, text out.
TEXTUAL: Final[Mapping[str, Encoder]] = {
    "terminal of 80 columns": lambda data: wrapped(data, 80),
    "colours": lambda data: data.replace(b"_", b"\x1b[01;31m\x1b[K_\x1b[m\x1b[K"),
    "JSON": escaped,
    "JSON, every character": lambda data: b"".join(b"\\u%04x" % byte for byte in data),
    "percent": lambda data: quote_from_bytes(data, safe="").encode(),
    "percent, the underscore": lambda data: data.replace(b"%", b"%25").replace(b"_", b"%5F"),
    "percent, every character": lambda data: b"".join(b"%%%02x" % byte for byte in data),
    "quoted-printable": quopri.encodestring,
    "HTML": lambda data: data.replace(b"&", b"&amp;").replace(b"_", b"&#95;").replace(b"+", b"&#x2b;"),
    "a quoted mail": lambda data: b"> " + data.replace(b"\n", b"\n> "),
    "indented": lambda data: b"    " + data.replace(b"\n", b"\n    "),
}
#: Bytes in, text out.
WRITTEN: Final[Mapping[str, Encoder]] = {
    "base64": base64.b64encode,
    "base64 of 76 columns": base64.encodebytes,
    "base64 of 64 columns": lambda data: wrapped(base64.b64encode(data), 64),
    "base64url": base64.urlsafe_b64encode,
    "base64 without padding": lambda data: base64.b64encode(data).rstrip(b"="),
    "base64, shifted by one": lambda data: base64.b64encode(b"\n" + data),
    "base64, shifted by two": lambda data: base64.b64encode(b"\n\n" + data),
    # What the path decodes to stands before the text, so a format of lines needs a line of its own.
    "base64 in a path": lambda data: b"/a/bc/" + base64.b64encode(b"\n" + data),
    "hexadecimal": lambda data: data.hex().encode(),
    "hexadecimal of 60 columns": lambda data: wrapped(data.hex().encode(), 60),
    "hexadecimal with spaces": lambda data: data.hex(" ").encode(),
    "hexadecimal with colons": lambda data: data.hex(":").upper().encode(),
    "C": lambda data: b", ".join(b"0x%02x" % byte for byte in data),
    "xxd": lambda data: dumped(data, _xxd),
    "hexdump -C": lambda data: dumped(data, _hexdump_canonical),
    "hexdump": lambda data: dumped(data, _hexdump_words),
    "od": lambda data: dumped(data, _od),
}
#: Bytes in, bytes out.
PACKED: Final[Mapping[str, Encoder]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
}
#: Text in, bytes out: PowerShell's redirection makes the first.
WIDE: Final[Mapping[str, Encoder]] = {
    "UTF-16 with a byte order mark": lambda data: data.decode("latin-1").encode("utf-16"),
    "UTF-16, the other byte order": lambda data: data.decode("latin-1").encode("utf-16-be"),
    "UTF-32": lambda data: data.decode("latin-1").encode("utf-32-le"),
}
