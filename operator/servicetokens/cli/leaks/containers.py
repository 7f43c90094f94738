"""Archives whose files stand in them as they are: tar, which is no compression but decides what is one file."""

import io
import tarfile
from collections.abc import Iterator
from typing import Final

from servicetokens.cli.leaks.packing import TOO_MUCH, Budget, Part

_HEADER: Final = 512
# Where a header of tar has its checksum, and where its mark (POSIX.1-1988).
_CHECKSUM: Final = slice(148, 156)
_MARK: Final = slice(257, 262)
# Files in one archive: more cost time for their names alone.
_MOST_FILES: Final = 10_000


def is_tar(data: bytes) -> bool:
    """Say whether *data* begins with the header of a tar archive; archives of long ago have no mark."""
    header = data[:_HEADER]
    if len(header) < _HEADER or not header[0]:
        return False
    written = header[_CHECKSUM].strip(b" \0")
    if not written or written.strip(b"01234567"):
        return False
    return header[_MARK] == b"ustar" or int(written, 8) == sum(header) - sum(header[_CHECKSUM]) + 8 * 32


def files(data: bytes, budget: Budget) -> Iterator[Part]:
    """Yield the files in the tar archive *data*, and what comes after its end."""
    end = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="replace") as archive:
            for number, member in enumerate(archive):
                end = member.offset_data + (-(-member.size // _HEADER) * _HEADER if member.isreg() else 0)
                if number == _MOST_FILES:
                    yield Part(
                        "", 0, data[member.offset :], f"a tar archive after its first {_MOST_FILES} files"
                    )
                    return
                if member.isreg() and member.size:
                    content = data[member.offset_data : member.offset_data + member.size]
                    if not budget.spend(len(content)):
                        yield Part(member.name, member.offset_data, b"", TOO_MUCH)
                        return
                    is_short = len(content) < member.size
                    yield Part(member.name, member.offset_data, content, "cut off" if is_short else "")
    except (tarfile.TarError, ValueError, OverflowError, EOFError, OSError):
        yield Part("", end, data[end:], "a damaged tar archive")
        return
    if rest := data[end:].strip(b"\0"):
        yield Part("", end, rest)
