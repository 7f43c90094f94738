"""Bytes written as numbers: hexadecimal, octal and decimal, in lists and in dumps, also behind a prefix on each line.

    0x0010:  7376 745f 3031 3233 3435 3637 3839 4142  svt_0123456789AB     tcpdump -X, xxd
    0000020    s   v   t   _   0   1   2   3   4   5                         od -c
    |00000000| 73 76 74 5f 30 31 32 33 34 35 36 37 38 39 41 42 |svt_0123456789AB|   Netty
    app | [115, 118, 116, 95, 48, 49]   {"0":115,"1":118,"2":116}   73-76-74-5F     how programs print bytes

Only lines with several numbers in a row are looked at more closely.
"""

import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from servicetokens.cli.leaks.positions import Decoded, Edits, Scaled, chained, nothing
from servicetokens.cli.leaks.text import SHORTEST, Run

# Four numbers in a row that do not begin with a time; also on a line each.
_SEPARATOR: Final = rb"[ \t,:;|>\r\n]{1,12}"
_NUMBER: Final = rb"(?:0[xX]|\\x)?[0-9A-Fa-f]{1,16}"
_TIME: Final = rb"[0-9]{2}:[0-9]{2}:[0-9]{2}(?![0-9A-Fa-f:])"
_SEVERAL: Final = re.compile(
    rb"[ \t,:;|\r\n](?!%b)%b(?:%b%b){3}(?![0-9A-Za-z])" % (_TIME, _NUMBER, _SEPARATOR, _NUMBER)
)

# 65 bytes as pairs of digits, which a terminal may break: `73 76 74`, `73:76:74`, `0x73, 0x76`.
_PAIRS: Final = re.compile(
    rb"(?<![0-9A-Fa-f])(?:(?:0(?:\r\n?|\n)?x(?:\r\n?|\n)?|\\x)?"
    rb"[0-9A-Fa-f](?:\r\n?|\n)?[0-9A-Fa-f][ \t:,>|\r\n]{0,6}+){%d,}+[0-9A-Fa-f]?" % SHORTEST
)
_PAIR_SIGNS: Final = b" \t:,>|\r\n"
_LONE_RETURN: Final = re.compile(rb"\r(?!\n)")
_MARKS: Final = re.compile(rb"0[xX]|\\x")
_DIGITS: Final = re.compile(rb"[0-9A-Fa-f]{%d,}+" % (2 * SHORTEST))

# `xxd` and `tcpdump` end their offsets with a colon and their digits with two spaces; `hexdump` and `od` do neither.
_GROUP: Final = rb"[0-9A-Fa-f]{2}(?:[0-9A-Fa-f]{14}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{2})?+(?=[\s|>\"'\\`]|$)"
_PAIR: Final = rb"[0-9A-Fa-f]{2} "
_DUMPED: Final = re.compile(
    rb"(?<![0-9A-Za-z.])(?:0x)?[0-9A-Fa-f]{4,16}(?::[ \t]{1,4}((?:%b){8} {1,2}(?:%b){1,8}|(?:%b ?+)++)|"
    rb"[ \t]+((?:%b ){8} ?(?:%b ){8})[^\n]*|"
    rb"[ \t]+((?:%b {0,3}+)++)(?:(?<=  )|(?![ \t]*[^\s|>\"'\\`])))[^\n]*(?:\n|$)"
    % (_PAIR, _PAIR, *(_GROUP,) * 4)
)
# What other programs write than the spaces and the colon of `xxd`, with as many characters: Netty has bars around the
# offset, OpenSSL a hyphen behind it and one between the halves.
_OFFSETS: Final = re.compile(rb"(?<![0-9A-Za-z.])([0-9A-Fa-f]{4,8})(?:\| | (-) )(?=[0-9A-Fa-f]{2}[ -])")
_HYPHEN: Final = re.compile(rb"(?<= [0-9A-Fa-f]{2})-(?=[0-9A-Fa-f]{2} )")
# .NET writes bytes with hyphens, others with other signs that a run may have.
# Nothing has to follow the last sign: a list that ends with one would be read again from each of its bytes.
_JOINED_PAIRS: Final = re.compile(rb"(?:[0-9A-Fa-f]{2}[-_.;]){%d,}+(?:[0-9A-Fa-f]{2})?+" % (SHORTEST - 1))
_PAIR_JOINTS: Final = b"-_.;"
# JavaScript writes an array of bytes as an object, perhaps inside a string.
_INDEXED: Final = re.compile(
    rb"(?:\\{0,8}\"[0-9]{1,7}\\{0,8}\":[ ]?[0-9]{1,3}[,}]?(?:\s|\\{1,8}n){0,64}+){%d,}+" % SHORTEST
)
_LINE_BREAKS: Final = re.compile(rb"[\r\n]+")
_INDEXED_VALUE: Final = re.compile(rb":[ ]?([0-9]{1,3})")
# `od -c` and `hexdump -c`: an offset, and four columns for each byte.
_CHARACTERS: Final = re.compile(
    rb"(?<![0-9A-Za-z])[0-9A-Fa-f]{6,16}((?:   [\x20-\x7e]|  \\[0abefnrtv\\]| [0-7]{3}){1,16})[^\n]*(?:\n|$)"
)
_SPELLED: Final = re.compile(rb"   [!-~]   [!-~]  ")
_SIMPLE: Final = {b"\\0": 0, b"\\a": 7, b"\\b": 8, b"\\t": 9, b"\\n": 10, b"\\v": 11, b"\\f": 12, b"\\r": 13}

_ROW_NUMBER: Final = rb"(?:0[xX]|\\x)?[0-9A-Fa-f]{1,16}(?![0-9A-Za-z])"
_ROW: Final = re.compile(rb"(?<![0-9A-Za-z])%b(?:[ \t,:;|]{1,4}%b)*+" % (_ROW_NUMBER, _ROW_NUMBER))
_PART: Final = re.compile(rb"(?:0[xX]|\\x)?([0-9A-Fa-f]+)([ \t,:;|]*)")
# Digits of a byte: in hexadecimal, in octal, where a word of two bytes has six, in binary, and in decimal at most.
_BYTE: Final = 2
_OCTAL_BYTE: Final = 3
_DECIMAL_BYTE: Final = 3
_BINARY_BYTE: Final = 8
_DECIMAL_WORD: Final = 5
# The fewest digits of an offset.
_OFFSET: Final = 4
# So many numbers may be before an offset: a date, a time.
_MARGIN: Final = 6
# The end of a list may be on so many lines of its own.
_BEHIND: Final = 5
# So many lines that look like a dump are one.
_DUMP: Final = 4
# `hexdump -C` has a gap after so many bytes.
_HALF: Final = 8
# No terminal is narrower.
_TERMINAL: Final = 40
# A list with fewer numbers than this may be a date or a time.
_SHORT: Final = 4
# Numbers take fifty times the memory of their text. A token takes no more than the second of these.
_WINDOW: Final = 1024 * 1024
_WINDOW_REPEATED: Final = 4096


def listed(data: bytes) -> Iterator[Decoded]:
    """Yield everything in *data* that is written in numbers with something between them."""
    for begin, end in _regions(data, _SEVERAL):
        part = _HYPHEN.sub(b" ", _OFFSETS.sub(_with_colon, _LONE_RETURN.sub(b"\n", data[begin:end])))
        read: list[tuple[int, int]] = []
        yield from _in_dumps(part, begin, read)
        yield from _in_pairs(_without(part, read), begin, read)
        yield from _spelled(part, begin)
        rest = _without(part, read)
        for lines in {rest, _unfolded(rest)}:
            for at in range(0, len(lines), _WINDOW):
                first = max(0, at - _WINDOW_REPEATED)
                yield from _in_rows(lines[first : at + _WINDOW], begin + first)
    for begin, end in _regions(data, _SPELLED, before=_BEHIND):
        yield from _spelled(data[begin:end], begin)


def indexed(data: bytes) -> Iterator[Decoded]:
    """Yield the bytes of each object that has the numbers of bytes as names, also broken by a terminal."""
    # No such object with a token is without these two, and a line break is in one of them at most.
    if b'"63' not in data and b'"64' not in data:
        return
    origin = Edits(_LINE_BREAKS, nothing, data)
    for match in _INDEXED.finditer(data.translate(None, b"\r\n")):
        values = [int(value[1]) for value in _INDEXED_VALUE.finditer(match[0])]
        plain = bytes(value if value < 2**8 else ord("?") for value in values)
        for decoded, place in _decoded(match.start(), len(match[0]), plain):
            yield decoded, chained(place, origin)


def hexadecimal(run: Run) -> Iterator[Decoded]:
    """Yield what the hexadecimal digits in *run* mean. What is before them may end in one, too: `namE 7376…`."""
    for match in _DIGITS.finditer(run.joined):
        for skipped in range(2):
            place = Scaled(match.start() + skipped, 0, 2)
            yield _unhex(match[0][skipped:]), lambda position, place=place: run.origin(place(position))
    for match in _JOINED_PAIRS.finditer(run.joined):
        yield _unhex(match[0].translate(None, _PAIR_JOINTS)), chained(Scaled(match.start(), 0, 3), run.origin)


def _regions(data: bytes, sign: re.Pattern[bytes], before: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the beginning and the end of the lines with *sign*, and of a few behind them; neighbours together.

    With *before* so many lines before them, too: the header of an archive has hardly a character.
    """
    region: tuple[int, int] | None = None
    match = sign.search(data)
    while match:
        begin = data.rfind(b"\n", 0, match.start()) + 1
        for _ in range(before):
            begin = data.rfind(b"\n", 0, max(begin - 1, 0)) + 1
        end = match.end() - 1
        for _ in range(_BEHIND):
            end = _line_end(data, end)
        if region and begin <= region[1]:
            region = region[0], end
        else:
            if region:
                yield region
            region = begin, end
        match = sign.search(data, _line_end(data, match.end() - 1) - 1)
    if region:
        yield region


def _with_colon(match: re.Match[bytes]) -> bytes:
    """Return an offset as `xxd` writes it, in as many characters."""
    return match[1] + (b":  " if match[2] else b": ")


def _line_end(data: bytes, position: int) -> int:
    at = data.find(b"\n", position)
    return len(data) if at < 0 else at + 1


def _without(part: bytes, read: Sequence[tuple[int, int]]) -> bytes:
    """Return *part* with what was read already left empty."""
    out = bytearray(part)
    for start, end in read:
        out[start:end] = b" " * (end - start)
    return bytes(out) if out.strip() else b""


def _unfolded(part: bytes) -> bytes:
    """Return *part* without the breaks that a terminal makes, within a number as well."""
    lines = part.split(b"\n")
    longest = max(map(len, lines))
    if longest < _TERMINAL or sum(len(line) == longest for line in lines[:-1]) < len(lines) // 2:
        return part
    return b"".join(line + b"\n" * (len(line) < longest) for line in lines)


def _in_pairs(part: bytes, begin: int, read: list[tuple[int, int]]) -> Iterator[Decoded]:
    for match in _PAIRS.finditer(part):
        digits = _MARKS.sub(b"", match[0].translate(None, _PAIR_SIGNS))
        if not digits.isdigit():
            # Otherwise the numbers may be decimal.
            read.append(match.span())
        origin = Scaled(begin + match.start(), 0, 2 * len(match[0]) / max(len(digits), 1))
        yield _unhex(digits), origin
        yield _unhex(digits[1:]), origin


def _in_dumps(part: bytes, begin: int, read: list[tuple[int, int]]) -> Iterator[Decoded]:
    for start, end, rows in _blocks(part, _DUMPED):
        words = [(match[1] or match[2] or _digits_of(match[3])).split() for match in rows]
        # Words behind the digits may be hexadecimal, too: no line has more than the others.
        most = Counter(map(len, words)).most_common(1)[0][0]
        groups = [group for line in words for group in line[:most]]
        if len(rows) >= _DUMP and not b"".join(groups).isdigit():
            read.append((start, end))
        yield from _decoded(begin + start, end - start, _unhex(b"".join(groups)))
        # Words of several bytes are in the order of the machine: the lowest byte first.
        if len(groups[0]) > _BYTE:
            yield from _decoded(begin + start, end - start, b"".join(_unhex(group)[::-1] for group in groups))


def _digits_of(row: bytes) -> bytes:
    """Return the digits of *row*: up to a wider gap, or the second one when the first is after eight bytes."""
    first, _, rest = row.partition(b"  ")
    halves = len(first) - first.count(b" ") == 2 * _HALF
    return first + b" " + rest.lstrip().partition(b"  ")[0] if halves else first


def _spelled(part: bytes, begin: int) -> Iterator[Decoded]:
    for start, end, rows in _blocks(part, _CHARACTERS):
        cells = b"".join(match[1] for match in rows)
        plain = bytes(_cell(cells[at : at + 4].strip()) for at in range(0, len(cells), 4))
        yield from _decoded(begin + start, end - start, plain)


def _cell(cell: bytes) -> int:
    if not cell:
        return ord(" ")
    if len(cell) == 1:
        return cell[0]
    return int(cell, 8) & 255 if cell.isdigit() else _SIMPLE.get(cell, 63)


def _blocks(part: bytes, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, int, Sequence[re.Match[bytes]]]]:
    """Yield the matches of *pattern* in neighbouring lines together, with their beginning and end."""
    block: list[re.Match[bytes]] = []
    for match in pattern.finditer(part):
        if block and b"\n" in part[block[-1].end() : match.start()]:
            yield block[0].start(), block[-1].end(), block
            block = []
        block.append(match)
    if block:
        yield block[0].start(), block[-1].end(), block


def _in_rows(part: bytes, begin: int) -> Iterator[Decoded]:
    """Yield the longest list of each line, all of them together."""
    numbers: list[bytes] = []
    start = position = previous = 0
    for line in part.split(b"\n"):
        rows = [_uniform(match[0]) for match in _ROW.finditer(line)]
        column, row = max(reversed([*enumerate(rows)]), key=lambda row: len(row[1]), default=(0, []))
        # The last line may have fewer numbers than what was put in front of it or behind it.
        if len(row) < _SHORT and len(rows) > previous:
            row = rows[previous]
        else:
            previous = column
        if row:
            start = start if numbers else position
            numbers += row
        elif numbers:
            yield from _in_any_base(numbers, begin + start, position - start)
            numbers = []
        position += len(line) + 1
    yield from _in_any_base(numbers, begin + start, len(part) - start)


def _uniform(row: bytes) -> list[bytes]:
    """Return the last numbers in *row* that have the same sign between them: `10:29:36 115, 118` → 115, 118."""
    parts = _PART.findall(row)
    if len(parts) == 1:
        return [parts[0][0]]
    kind = parts[-2][1].strip()
    first = next((at + 1 for at in range(len(parts) - 2, -1, -1) if parts[at][1].strip() != kind), 0)
    numbers = [digits for digits, _ in parts[first:]]
    # `od` writes an offset in front, and no colon behind it.
    widths = list(map(len, numbers[: _MARGIN + 1]))
    offsets = [at for at in range(len(widths) - 1) if widths[at] >= _OFFSET and widths[at] != widths[at + 1]]
    return numbers[offsets[-1] + 1 :] if offsets else numbers


def _in_any_base(numbers: Sequence[bytes], begin: int, size: int) -> Iterator[Decoded]:
    if len(numbers) < SHORTEST // 8:
        return
    for fits, value in _BASES:
        # What is no such number separates two lists: a time of the line behind.
        values = {number: value(number) if fits(number) else b"\xff" for number in set(numbers)}
        plain = b"".join(map(values.__getitem__, numbers))
        if 2 * plain.count(b"\xff") < len(plain):
            yield from _decoded(begin, size, plain)


def _octal(number: bytes) -> bytes:
    """Return the byte that three digits mean, or the two bytes of six, the lower one first, as `od` prints them."""
    value = int(number, 8)
    return bytes([value & 255]) if len(number) == _OCTAL_BYTE else (value & 0xFFFF).to_bytes(2, "little")


def _is_hexadecimal(number: bytes) -> bool:
    return len(number) in {2, 4, 8, 16}


def _is_decimal(number: bytes) -> bool:
    return len(number) <= _DECIMAL_BYTE and number.isdigit() and int(number) < 2**8


def _decimal(number: bytes) -> bytes:
    return bytes([int(number)])


def _is_octal(number: bytes) -> bool:
    return len(number) in {_OCTAL_BYTE, 2 * _OCTAL_BYTE} and not number.strip(b"01234567")


def _is_binary(number: bytes) -> bool:
    return len(number) == _BINARY_BYTE and not number.strip(b"01")


def _binary(number: bytes) -> bytes:
    return bytes([int(number, 2)])


def _is_word(number: bytes) -> bool:
    return len(number) == _DECIMAL_WORD and number.isdigit() and int(number) < 2**16


def _word(number: bytes) -> bytes:
    """Return the two bytes of a number of five digits, the lower one first, as `hexdump -d` prints them."""
    return int(number).to_bytes(2, "little")


_BASES: Final[tuple[tuple[Callable[[bytes], bool], Callable[[bytes], bytes]], ...]] = (
    (_is_hexadecimal, binascii.a2b_hex),
    (_is_decimal, _decimal),
    (_is_octal, _octal),
    (_is_binary, _binary),
    (_is_word, _word),
)


def _decoded(begin: int, size: int, plain: bytes) -> Iterator[Decoded]:
    if len(plain) >= SHORTEST:
        yield plain, Scaled(begin, 0, size / len(plain))


def _unhex(digits: bytes) -> bytes:
    return binascii.a2b_hex(digits[: len(digits) // 2 * 2])
