"""What people's tools make of a text that holds a token: encodings, dumps, archives, and terminals."""

import base64
import bz2
import gzip
import io
import json
import lzma
import quopri
import tarfile
import zipfile
import zlib
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


def tarred(files: Mapping[str, bytes]) -> bytes:
    """Put *files* into a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def helm_release(data: bytes) -> bytes:
    """Write *data* into a Secret in the manifest of a Helm release, as the YAML of the Secret that holds the release.

    Helm's storage driver (pkg/storage/driver/util.go) compresses the JSON of a release and encodes it in base64; the
    data of a Secret is in base64 anyway.
    """
    manifest = (
        f"---\n# Source: app/templates/secret.yaml\ndata:\n  token: {base64.b64encode(data).decode()}\n"
    )
    release = {"name": "app", "info": {"status": "deployed"}, "manifest": manifest, "version": 1}
    stored = base64.b64encode(gzip.compress(json.dumps(release).encode()))
    secret = (
        f"kind: Secret\ndata:\n  release: {base64.b64encode(stored).decode()}\ntype: helm.sh/release.v1\n"
    )
    return secret.encode()


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


def _tcpdump(start: int, piece: bytes) -> str:
    return f"\t0x{start:04x}:  {piece.hex(' ', 2):<39}  {_gutter(piece)}"


def _od_words(start: int, piece: bytes, size: int = 2) -> str:
    words = (piece[at : at + size].ljust(size, b"\0") for at in range(0, len(piece), size))
    return f"{start:07o} " + " ".join(f"{int.from_bytes(word, 'little'):0{2 * size}x}" for word in words)


def _od_octal(start: int, piece: bytes) -> str:
    return f"{start:07o}" + "".join(f" {byte:03o}" for byte in piece)


def _od_octal_words(start: int, piece: bytes) -> str:
    words = (piece[at : at + 2].ljust(2, b"\0") for at in range(0, len(piece), 2))
    return f"{start:07o}" + "".join(f" {int.from_bytes(word, 'little'):06o}" for word in words)


def _od_decimal(start: int, piece: bytes) -> str:
    return f"{start:07o}" + "".join(f" {byte:3d}" for byte in piece)


def _od_characters(start: int, piece: bytes) -> str:
    names = {0: "\\0", 9: "\\t", 10: "\\n", 13: "\\r"}
    cells = (names.get(byte, chr(byte) if 32 <= byte < 127 else f"{byte:03o}") for byte in piece)
    return f"{start:07o}" + "".join(f"{cell:>4}" for cell in cells)


def _powershell(start: int, piece: bytes) -> str:
    return f"{start:08X}   {piece.hex(' ').upper():<47}  {_gutter(piece)}"


def _gdb(start: int, piece: bytes) -> str:
    return "\n".join(
        f"0x7ffd{start + at:08x} <buffer+{start + at}>:\t"
        + "\t".join(f"0x{byte:02x}" for byte in piece[at : at + 8])
        for at in range(0, len(piece), 8)
    )


def _netty(start: int, piece: bytes) -> str:
    # Above and below there are a ruler and a frame.
    return f"|{start:08x}| {piece.hex(' '):<47} |{_gutter(piece):<16}|"


def _java(start: int, piece: bytes) -> str:
    halves = "   ".join(half.hex(" ").upper() for half in (piece[:8], piece[8:]) if half)
    return f"  {start:04X}: {halves:<49} {_gutter(piece)}"


def _openssl(start: int, piece: bytes) -> str:
    halves = "-".join(half.hex(" ") for half in (piece[:8], piece[8:]) if half)
    return f"{start:04x} - {halves:<47}   {_gutter(piece)}"


def encoded_words(data: bytes, kind: str) -> bytes:
    """Write *data* in pieces of 30 bytes as the encoded words of a mail header (RFC 2047)."""
    pieces = (data[at : at + 30] for at in range(0, len(data), 30))
    if kind == "B":
        words = [base64.b64encode(piece).decode() for piece in pieces]
    else:
        words = [
            "".join(f"={byte:02X}" if byte in b"_=? \r\n\t" else chr(byte) for byte in piece)
            for piece in pieces
        ]
    return "\r\n ".join(f"=?utf-8?{kind}?{word}?=" for word in words).encode("latin-1")


def inserted(data: bytes, sign: str) -> bytes:
    """Put *sign* between every ten characters of *data*."""
    text = data.decode()
    return sign.join(text[at : at + 10] for at in range(0, len(text), 10)).encode()


def _numbered(before: Callable[[int], str], behind: Callable[[int], str] = lambda _: "") -> Encoder:
    def add(data: bytes) -> bytes:
        lines = data.split(b"\n")
        return b"\n".join(
            before(number).encode() + line + behind(number).encode() for number, line in enumerate(lines)
        )

    return add


def _time(number: int) -> str:
    # Go leaves out zeros at the end of a fraction.
    return f"2026-11-30T10:29:{30 + number % 30:02d}.{(number * 7919 + 12345) % 10**6:06d}".rstrip("0") + "Z"


#: What tools put in front of each line, and behind it. Text in, text out.
MARGINS: Final[Mapping[str, Encoder]] = {
    "git diff, added": _numbered(lambda _: "+"),
    "git diff, removed": _numbered(lambda _: "-"),
    "git diff, context": _numbered(lambda _: " "),
    "docker compose": _numbered(lambda _: "web-1  | "),
    "a quotation": _numbered(lambda _: "> "),
    "a comment of shells": _numbered(lambda _: "# "),
    "a comment of C": _numbered(lambda _: "// "),
    "a comment of Java": _numbered(lambda _: " * "),
    "kubectl logs --timestamps": _numbered(lambda number: f"{_time(number)} "),
    "kubectl logs --prefix": _numbered(lambda _: "[pod/web-7d9f8b6c5-x2x9z/app] "),
    "containerd": _numbered(lambda number: f"{_time(number)} stdout F "),
    "docker": _numbered(
        lambda _: '{"log":"', lambda number: f'\\n","stream":"stdout","time":"{_time(number)}"}}'
    ),
    "syslog": _numbered(lambda number: f"Nov 30 10:29:{30 + number % 30} node-1 app[{4711 + number}]: "),
    "grep -n": _numbered(lambda number: f"deploy/secret.yaml:{number + 8}:"),
    "cat -n": _numbered(lambda number: f"{number + 8:6d}\t"),
    "git blame": _numbered(lambda number: f"^1a2b3c4 (Jane Doe 2026-11-30 10:29:36 +0100 {number + 8:3d}) "),
    "docker build": _numbered(lambda number: f"#12 {number * 37 / 1000 + 0.345:.3f} "),
    "a table": _numbered(lambda _: "| ", lambda _: " |"),
    "strings of a program": _numbered(lambda _: '    "', lambda _: '" +'),
    "a list in JSON": _numbered(lambda _: '  "', lambda _: '",'),
    "YAML": _numbered(lambda _: "      "),
}
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
    "a terminal of 80 columns, carriage returns": lambda data: wrapped(data, 80).replace(b"\n", b"\r"),
    "zero-width spaces": lambda data: inserted(data, "\u200b"),
    "soft hyphens": lambda data: inserted(data, "\u00ad"),
    "possible breaks in HTML": lambda data: inserted(data, "<wbr>"),
    "a search result in HTML": lambda data: data.replace(b"_", b'<em class="hit">_</em>'),
    "a mail header": lambda data: encoded_words(data, "B"),
    "a mail header, quoted": lambda data: encoded_words(data, "Q"),
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
    "od -x": lambda data: dumped(data, _od_words),
    "od -t x4": lambda data: dumped(data, lambda start, piece: _od_words(start, piece, 4)),
    "od -b": lambda data: dumped(data, _od_octal),
    "od without options": lambda data: dumped(data, _od_octal_words),
    "od -t u1": lambda data: dumped(data, _od_decimal),
    "od -c": lambda data: dumped(data, _od_characters),
    "tcpdump -X": lambda data: dumped(data, _tcpdump),
    "Format-Hex": lambda data: dumped(data, _powershell),
    "gdb": lambda data: dumped(data, _gdb),
    "Netty": lambda data: dumped(data, _netty),
    "javax.net.debug": lambda data: dumped(data, _java),
    "openssl s_client -debug": lambda data: dumped(data, _openssl),
    "hexadecimal by .NET": lambda data: data.hex("-").upper().encode(),
    "an object of JavaScript": lambda data: json.dumps(
        {str(at): byte for at, byte in enumerate(data)}, separators=(",", ":")
    ).encode(),
    "a list of decimal numbers": lambda data: str(list(data)).encode(),
    "a list of decimal numbers, by Go": lambda data: b"[" + b" ".join(b"%d" % byte for byte in data) + b"]",
    "a list of decimal numbers, a line for each": lambda data: json.dumps(list(data), indent=2).encode(),
    "base32": lambda data: wrapped(base64.b32encode(data), 76),
    "base32 in small letters": lambda data: base64.b32encode(data).lower().rstrip(b"="),
    "base32hex": lambda data: wrapped(base64.b32hexencode(data), 76),
    "base32hex in small letters": lambda data: base64.b32hexencode(data).lower().rstrip(b"="),
    "octal escapes": lambda data: b"".join(b"\\%03o" % byte for byte in data),
}
#: Bytes in, bytes out.
PACKED: Final[Mapping[str, Encoder]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
}
#: Bytes in, text out, of any printable characters; what changes one of these (escapes, tags) changes all.
FRAGILE: Final[Mapping[str, Encoder]] = {
    "base85": base64.b85encode,
    "Ascii85": base64.a85encode,
    "Ascii85 in its frame, of 76 columns": lambda data: base64.a85encode(data, adobe=True, wrapcol=76),
}
#: Bytes in, bytes out, with nothing that tells so.
HEADERLESS: Final[Mapping[str, Encoder]] = {
    "raw deflate": lambda data: zlib.compress(data, wbits=-zlib.MAX_WBITS),
    "raw deflate, stored": lambda data: zlib.compress(data, 0, wbits=-zlib.MAX_WBITS),
}
#: Text in, bytes out: PowerShell's redirection makes the first.
WIDE: Final[Mapping[str, Encoder]] = {
    "UTF-16 with a byte order mark": lambda data: data.decode("latin-1").encode("utf-16"),
    "UTF-16, the other byte order": lambda data: data.decode("latin-1").encode("utf-16-be"),
    "UTF-32": lambda data: data.decode("latin-1").encode("utf-32-le"),
}
