"""Data that nothing here can decode: named, so that the search does not end with an all-clear that is not true.

Most kinds begin with known bytes. What has no such bytes but looks like random ones was compressed or encrypted by
something that is not known here.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

OPAQUE: Final = "data of an unknown kind, compressed or encrypted"

# By the bytes that a file begins with.
_KINDS: Final[tuple[tuple[str, bytes], ...]] = (
    ("Zstandard data", rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
    ("LZ4 data", rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18"),
    ("lzip data", rb"LZIP\x01"),
    ("lzop data", rb"\x89LZO\0"),
    ("Snappy data", rb"\xff\x06\0\0sNaPpY"),
    ("a 7z archive", rb"7z\xbc\xaf\x27\x1c"),
    ("a RAR archive", rb"Rar!\x1a\x07"),
    ("a CAB archive", rb"MSCF\0\0\0\0"),
    ("a PDF document", rb"%PDF-[0-9]"),
    ("an Office document of the old kind", rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("encrypted data (age)", rb"age-encryption\.org/"),
    ("encrypted data (OpenSSL)", rb"Salted__[^\n]{0,16}[\x80-\xff]"),
    ("encrypted data (KeePass)", rb"\x03\xd9\xa2\x9a[\x65-\x67]\xfb\x4b\xb5"),
    ("encrypted data (LUKS)", rb"LUKS\xba\xbe|SKUL\xba\xbe"),
    ("encrypted data (git-crypt)", rb"\0GITCRYPT\0"),
    ("encrypted data (Java keystore)", rb"\xfe\xed\xfe\xed\0\0\0|\xce\xce\xce\xce\0\0\0"),
)  # fmt: skip
_MEDIA: Final[tuple[tuple[str, bytes], ...]] = (
    ("a PNG picture", rb"\x89PNG\r\n"),
    ("a JPEG picture", rb"\xff\xd8\xff"),
    ("a GIF picture", rb"GIF8[79]a"),
    ("a WebP picture", rb"RIFF....WEBP"),
    ("a TIFF picture", rb"II\*\0|MM\0\*"),
    ("a picture or a film", rb"....ftyp|\x1a\x45\xdf\xa3|RIFF....AVI "),
    ("a sound", rb"ID3[\x02-\x04]|OggS\0|fLaC|RIFF....WAVE"),
    ("a font", rb"wOFF|wOF2|OTTO\0"),
)
# Signs so short that what only looked encoded may begin with them.
_KINDS_OF_FILES: Final[tuple[tuple[str, bytes], ...]] = (
    ("a dump of PostgreSQL that is no SQL", rb"PGDMP[\x01-\x02]"),
    ("a database of Redis", rb"REDIS00[0-9]{2}"),
    ("a Parquet, ORC or Avro file", rb"PAR1|Obj\x01|ORC\n"),
    ("LZ4 data (Mozilla)", rb"mozLz40\0"),
    ("a SquashFS image", rb"hsqs|sqsh"),
    ("data of `compress`", rb"\x1f[\x9d\xa0]"),
    ("an archive for ARJ, ACE or LHA", rb"\x60\xea|.{7}\*\*ACE\*\*|..-lh[0-7d]-"),
    (
        "encrypted data (PGP)",
        rb"\x85[\x01-\x04][\x04\x0c-\x0e]\x03|\x84[\x5e\x6e]\x03|\x8c\x0d\x04[\x07-\x09\x0d]",
    ),
)
_MEDIA_FILES: Final[tuple[tuple[str, bytes], ...]] = (
    ("a BMP picture", rb"BM.{4}\0\0\0\0"),
    ("an icon", rb"\0\0\x01\0[\x01-\x20]\0"),
    ("a sound", rb"\xff[\xfb\xf3\xf2\xf1\xf9]"),
    ("a font", rb"\0\x01\0\0\0[\x04-\x40]|true\0"),
)


def _compiled(*kinds: tuple[str, bytes]) -> Sequence[tuple[str, re.Pattern[bytes]]]:
    return tuple((kind, re.compile(magic, re.DOTALL)) for kind, magic in kinds)


def _any_of(*kinds: tuple[str, bytes]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(magic for _, magic in kinds), re.DOTALL)


_START: Final = _compiled(*_KINDS, *_MEDIA)
_START_OF_FILE: Final = _compiled(*_KINDS, *_MEDIA, *_KINDS_OF_FILES, *_MEDIA_FILES)
# All of them in one look: each digest in a log is decoded four times, and begins as none of them.
_ANY_START: Final = _any_of(*_KINDS, *_MEDIA)
_ANY_START_OF_FILE: Final = _any_of(*_KINDS, *_MEDIA, *_KINDS_OF_FILES, *_MEDIA_FILES)
_MEDIA_KINDS: Final = frozenset(kind for kind, _ in (*_MEDIA, *_MEDIA_FILES))
# The same inside other data: a sign that does not occur by chance, and what must follow, so that a text about such data
# is no such data.
_BODY: Final = rb"[0-9A-Za-z+/]{40}"
_INSIDE: Final[tuple[tuple[str, bytes, re.Pattern[bytes]], ...]] = tuple(
    (kind, sign, re.compile(re.escape(sign) + rest, re.DOTALL))
    for kind, sign, rest in (
        ("Zstandard data", b"\x28\xb5\x2f\xfd", rb"[\x00-\xe7]"),
        ("lzip data", b"LZIP\x01", rb"[\x0c-\xfd]"),
        ("a 7z archive", b"7z\xbc\xaf\x27\x1c\x00", b""),
        ("a RAR archive", b"Rar!\x1a\x07", rb"[\0\x01]"),
        ("a CAB archive", b"MSCF\0\0\0\0", b""),
        ("a PDF document", b"%PDF-", rb"[12]\.[0-9] ?[\r\n]+%[^\n]{0,3}[\x80-\xff]"),
        ("encrypted data (OpenSSL)", b"Salted__", rb"[^\n]{0,16}[\x80-\xff]"),
        ("encrypted data (KeePass)", b"\x03\xd9\xa2\x9a", rb"[\x65-\x67]\xfb\x4b\xb5"),
        ("encrypted data (LUKS)", b"LUKS\xba\xbe\0", b""),
        ("encrypted data (age)", b"age-encryption.org/v1\n->", b""),
        ("encrypted data (PGP)", b"-----BEGIN PGP MESSAGE-----", rb".{1,400}?" + _BODY),
        ("encrypted data (age)", b"-----BEGIN AGE ENCRYPTED FILE-----", rb".{1,80}?" + _BODY),
        ("encrypted data (CMS)", b"-----BEGIN CMS-----", rb".{1,80}?" + _BODY),
        ("encrypted data (PKCS #7)", b"-----BEGIN PKCS7-----", rb".{1,80}?" + _BODY),
        ("encrypted data (S/MIME)", b"smime-type=enveloped-data", rb".{1,800}?" + _BODY),
        ("encrypted data (Ansible Vault)", b"$ANSIBLE_VAULT;", rb"[0-9.]{3,5};.{1,120}?[0-9a-f]{40}"),
        ("encrypted data (SOPS)", b"ENC[AES256_GCM,data:", rb"[0-9A-Za-z+/=]{4,}+,iv:"),
        # The base64 of `Salted__`.
        ("encrypted data (OpenSSL)", b"U2FsdGVkX1", rb"[89+/][0-9A-Za-z+/]{20}"),
        # What kubeseal writes begins with the length of an encrypted key: 512 bytes, in base64.
        ("encrypted data (SealedSecret)", b"encryptedData", rb".{1,200}?\bAg[A-D][0-9A-Za-z+/]{200}"),
    )
)

# One look finds out that a short part has none of the signs; in a large one, each sign is searched for more quickly.
_ANY_INSIDE: Final = re.compile(b"|".join(re.escape(sign) for _, sign, _ in _INSIDE))
_SHORT: Final = 1024

# Random bytes are control characters (without those of texts) with a probability of 28 in 256; text has none, tables
# of numbers have many more.
_CONTROL: Final = bytes({*range(32), 127} - {*b"\t\n\v\f\r\x1b"})
_CONTROL_SHARE: Final = (0.05, 0.20)
# What zlib cannot make smaller. Machine code and tables shrink to four fifths and less.
_INCOMPRESSIBLE: Final = 0.97
_BLOCK: Final = 4096

# Public keys of OpenPGP (RFC 9580): the packet of a key of version 4, its time, and its algorithm.
_PUBLIC_KEYS: Final = re.compile(
    rb"(?:\x98.|\x99..|\xc6(?:[\0-\xbf]|[\xc0-\xdf].|\xff.{4}))\x04.{4}[\x01\x11-\x13\x16\x19-\x1c]",
    re.DOTALL,
)

LEAST: Final = 512
"""Below this many bytes, keys, signatures and certificates look like random bytes as well."""

LEAST_ALONE: Final = 64
"""The same for data that was given as a whole, which the user has asked about."""

_LEAST_BASE64: Final = 4096
# Of 64 signs of base64, two are no letters or digits. Lists of random names have none of these.
_SIGN_SHARE: Final = (0.01, 0.08)


def kind_of(data: bytes, *, is_file: bool = False) -> str:
    """Return the kind of *data* as a phrase when it begins as one that cannot be read; empty otherwise."""
    head = data[:64]
    if not (_ANY_START_OF_FILE if is_file else _ANY_START).match(head):
        return ""
    return next(kind for kind, magic in (_START_OF_FILE if is_file else _START) if magic.match(head))


def is_media(kind: str) -> bool:
    """Say whether *kind* is that of a picture, a film, a sound or a font, which have no text to search."""
    return kind in _MEDIA_KINDS


def kinds_inside(data: bytes) -> Iterator[str]:
    """Yield the kind of each part of *data* that cannot be read, once."""
    if len(data) <= _SHORT and not _ANY_INSIDE.search(data):
        return
    for kind, sign, pattern in _INSIDE:
        if sign in data and pattern.search(data):
            yield kind


def is_public(data: bytes) -> bool:
    """Say whether *data* begins as public keys, which look like random bytes and hold no secret."""
    return _PUBLIC_KEYS.match(data) is not None


def is_opaque(data: bytes, known: Sequence[tuple[int, int]] = (), least: int = LEAST) -> bool:
    """Say whether a part of *data* outside of the *known* ranges looks like random bytes, of *least* bytes or more."""
    if is_public(data):
        return False
    if len(data) <= 2 * _BLOCK:
        return not known and len(data) >= least and _looks_random(data)
    # A lone block may be a table of constants.
    before = False
    for at in range(0, len(data) - _BLOCK + 1, _BLOCK):
        end = at + _BLOCK
        here = not any(begin < end and at < stop for begin, stop in known) and _looks_random(data[at:end])
        if here and before:
            return True
        before = here
    return False


def is_opaque_base64(text: bytes, decoded: bytes) -> bool:
    """Say whether *text*, which is base64 of *decoded*, holds a larger part that looks like random bytes."""
    if len(decoded) < _LEAST_BASE64:
        return False
    signs = max(text.count(b"+") + text.count(b"/"), text.count(b"-") + text.count(b"_"))
    return _SIGN_SHARE[0] < signs / len(text) < _SIGN_SHARE[1] and is_opaque(decoded)


def _looks_random(block: bytes) -> bool:
    controls = 1 - len(block.translate(None, _CONTROL)) / len(block)
    if not _CONTROL_SHARE[0] < controls < _CONTROL_SHARE[1]:
        return False
    return len(zlib.compress(block, 6)) > _INCOMPRESSIBLE * len(block)
