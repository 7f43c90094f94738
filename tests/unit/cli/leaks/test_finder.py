"""Tokens in any data."""

import base64
import gzip
import json
import random
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.builders.encoded import MARGINS, PACKED, TEXTUAL, WIDE, WRITTEN, Encoder, helm_release, tarred
from servicetokens.cli.leaks import encodings, finder, text
from servicetokens.cli.leaks.finder import Place, Report, Sighting
from servicetokens.tokens.format import Token, assemble

PARTS = st.tuples(
    st.from_regex(r"[a-z][a-z0-9]{1,9}", fullmatch=True),
    st.text("0123456789ABCDEFabcdef", min_size=12, max_size=12),
    # As random as a secret is: one of zeros only is compressed to less than any token.
    st.integers(0, 2**32).map(lambda seed: random.Random(seed).randbytes(32)),
)
TOKEN = assemble("svt", "0123456789AB", b"x" * 32)
# A line for each number leaves nothing that is longer than what is put in front of it.
NO_MARGIN = {"a list of decimal numbers, a line for each"}
# Escapes are decoded in runs without spaces, and so are not in `od -c`, whose cells are not of one width then; and a
# dump of characters of which every second one is none has no characters to be recognized by.
NOT_TOGETHER = {
    *(("od -c", escape) for escape in ("percent, the underscore", "HTML", "a search result in HTML")),
    *((wide, "od -c") for wide in WIDE),
}
LINE = b"2026-11-30T10:29:36Z INFO the line before\n"


def tokens(report: Report) -> list[Token]:
    """Return what was found."""
    return [sighting.token for sighting in report.sightings]


@st.composite
def stacks(draw: st.DrawFn) -> tuple[str, ...]:
    """Up to three encodings, the innermost first, each applied to what it is made for, each with or without a margin.

    Bytes are written in base64 or hexadecimal, compressed again, or escaped with percent signs; text can be anything.
    """
    names: list[str] = []
    is_text = True
    for _ in range(draw(st.integers(1, 3))):
        fitting = {**WRITTEN, **PACKED, **({**TEXTUAL, **WIDE} if is_text else {})}
        if names:
            fitting = {name: fitting[name] for name in fitting if not _is_spoiled(names, name)}
        name = draw(st.sampled_from(sorted(fitting)))
        names.append(name)
        is_text = name in TEXTUAL or name in WRITTEN
        if is_text and _has_room(names) and draw(st.booleans()):
            names.append(draw(st.sampled_from(sorted(MARGINS))))
    return tuple(names)


def _is_spoiled(names: list[str], name: str) -> bool:
    """Say whether *name* cannot be applied to what *names* made: a line for each of many lines, and `NOT_TOGETHER`."""
    return any((inner, name) in NOT_TOGETHER for inner in names)


def _has_room(names: list[str]) -> bool:
    """Say whether something can be put in front of each line: not of those that have one number, however marked."""
    lines = [at for at, name in enumerate(names) if name in NO_MARGIN]
    return not lines or any(name in WRITTEN or name in PACKED for name in names[lines[-1] + 1 :])


def encode(data: bytes, names: tuple[str, ...]) -> bytes:
    """Apply the encodings one after the other."""
    encoders: dict[str, Encoder] = {**TEXTUAL, **WRITTEN, **PACKED, **WIDE, **MARGINS}
    for name in names:
        data = encoders[name](data)
    return data


@given(
    PARTS,
    st.sampled_from(
        [
            "{}",
            '"{}"',
            "Bearer {}",
            "TOKEN={}",
            "a_{}",
            "https://x/?t={}&u=1",
            "`{}`,",
            "<{}>",
            "{}\\n",
            "a\\n{}",
            "?t=%20{}%20",
            "{}active",
            "ci-prod{}0",
        ]
    ),
)
def test_a_token_is_found_in_any_surrounding_text(parts: tuple[str, str, bytes], around: str) -> None:
    """Whatever its prefix, whatever stands around it; the line is that of the text."""
    token = assemble(*parts)
    report = finder.find(b"nothing\n" + around.format(token.reveal()).encode())
    assert report == Report((Sighting(token, (Place("", 2),)),), ())


@example(("svt", "0123456789AB", b"x" * 32), "", ("C", "quoted-printable", "YAML"), False)
@given(PARTS, st.sampled_from(["", "Bearer ", "user:"]), stacks(), st.booleans())
def test_a_token_is_found_in_any_stack_of_three_encodings(
    parts: tuple[str, str, bytes], before: str, names: tuple[str, ...], alone: bool
) -> None:
    """Also when the outermost is text that stands below other lines."""
    token = assemble(*parts)
    data = encode(before.encode() + token.reveal().encode(), names)
    if not alone and names[-1] not in {**PACKED, **WIDE}:
        data = LINE + data
    report = finder.find(data)
    assert tokens(report) == [token], names
    assert report.unread == ()


def test_every_encoding_and_every_pair_of_them_is_decoded() -> None:
    """A complete table of what the property above draws from: none of them was only never drawn."""
    everything = {**TEXTUAL, **WRITTEN, **PACKED, **WIDE}
    stacked: list[tuple[str, ...]] = [(name,) for name in everything]
    stacked += [
        (inner, outer)
        for inner in everything
        for outer in (everything if inner in {**TEXTUAL, **WRITTEN} else {**WRITTEN, **PACKED})
    ]
    missed = [
        names
        for names in stacked
        if names not in NOT_TOGETHER
        and tokens(finder.find(encode(TOKEN.reveal().encode(), names))) != [TOKEN]
    ]
    assert missed == []


def test_every_encoding_is_decoded_behind_every_margin() -> None:
    """What tools put in front of each line or behind it, with other lines around."""
    missed = []
    for name, encode_ in {**TEXTUAL, **WRITTEN}.items():
        for margin, add in MARGINS.items():
            text = b"the line before\n" + encode_(b"token: " + TOKEN.reveal().encode()) + b"\nthe line behind"
            if name not in NO_MARGIN and tokens(finder.find(add(text))) != [TOKEN]:
                missed.append((name, margin))
    assert missed == []


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("written", WRITTEN)
def test_an_archive_that_is_written_down_is_read_whole(packed: str, written: str) -> None:
    """Digits that can be read in two bases are no damaged archive when one of them gives a whole one."""
    for seed in range(4):
        token = assemble("svt", "0123456789AB", random.Random(seed).randbytes(32))
        report = finder.find(LINE + encode(token.reveal().encode(), (packed, written)))
        assert (tokens(report), report.unread) == ([token], ()), seed


@pytest.mark.parametrize("written", ["hexadecimal", "od -b", "xxd", "base64"])
def test_an_archive_that_is_written_down_and_cut_off_is_named(written: str) -> None:
    """Also when a whole one that begins in another way stands before it."""
    whole = encode(TOKEN.reveal().encode(), ("gzip", written))
    cut = WRITTEN[written](gzip.compress(random.Random(2).randbytes(200))[:100])
    assert finder.find(cut).unread
    report = finder.find(whole + b"\n" * 9 + cut)
    assert tokens(report) == [TOKEN]
    assert report.unread


@pytest.mark.parametrize(
    "names",
    [
        ("xxd", "syslog", "JSON"),
        ("od -b", "kubectl logs --prefix", "JSON"),
        ("od -c", "git diff, added", "JSON"),
        ("gdb", "git blame", "JSON"),
        ("base64 of 76 columns", "kubectl logs --timestamps", "JSON"),
        ("hexadecimal with spaces", "a terminal of 80 columns, carriage returns", "JSON"),
        ("xxd", "syslog", "terminal of 80 columns"),
        ("hexdump -C", "docker compose", "terminal of 80 columns"),
        ("base64 of 76 columns", "docker build", "terminal of 80 columns"),
        ("base32", "containerd", "a terminal of 80 columns, carriage returns"),
        ("a mail header, quoted", "git blame", "terminal of 80 columns"),
        ("base32", "docker build"),
        ("gzip", "base64 of 76 columns", "git diff, added"),
        ("zero-width spaces", "UTF-16 with a byte order mark", "base32"),
        ("zero-width spaces", "UTF-16 with a byte order mark", "od without options"),
    ],
    ids=" in ".join,
)
def test_lines_with_a_prefix_are_found_in_a_string_and_in_a_terminal(names: tuple[str, ...]) -> None:
    """Whatever the token: with a line before and without."""
    for seed in range(8):
        token = assemble("svt", "0123456789AB", random.Random(seed).randbytes(32))
        for before in (b"", LINE):
            report = finder.find(before + encode(token.reveal().encode(), names))
            assert (tokens(report), report.unread) == ([token], ()), seed


@pytest.mark.parametrize("kept", ["Secret", "backup"])
def test_a_token_in_a_helm_release_is_found(kept: str) -> None:
    """A chart that holds a Secret: its release is compressed in another Secret, and that perhaps in a backup."""
    release = helm_release(TOKEN.reveal().encode())
    data = (
        release
        if kept == "Secret"
        else tarred({"namespaces/team-a/secrets.json": json.dumps([release.decode()]).encode()})
    )
    report = finder.find(data if kept == "Secret" else gzip.compress(data))
    assert tokens(report) == [TOKEN]
    assert report.unread == ()


def test_a_token_broken_in_two_behind_any_margin_is_found_with_its_line() -> None:
    """Wherever it is broken."""
    text = TOKEN.reveal().encode()
    for margin, add in MARGINS.items():
        for at in range(1, len(text)):
            data = add(
                b"before\nAuthorization: Bearer " + text[:at] + b"\n" + text[at:] + b" behind\nand after"
            )
            (found,) = finder.find(data).sightings
            assert found == Sighting(TOKEN, (Place("", 2),)), (margin, at)


@pytest.mark.parametrize(
    "write",
    [
        lambda text: text.replace(b"_", b"\\_"),
        lambda text: text[:60] + b"\\\n" + text[60:],
        lambda text: text[:60] + b"\\\r\n    " + text[60:],
        zlib.compress,
        lambda text: zlib.compress(text, 0),
        lambda text: zlib.compress(text, 9),
    ],
    ids=["Markdown", "a continued line", "a continued line in YAML", "git", "zlib, stored", "zlib, best"],
)
def test_a_token_is_found_as_tools_write_it(write: Encoder) -> None:
    """Escaped for Markdown, in a line that a shell or YAML joins, and as git stores objects."""
    assert tokens(finder.find(write(LINE + TOKEN.reveal().encode() + b"\n"))) == [TOKEN]


def test_a_token_is_reported_once_with_all_its_lines() -> None:
    """Also when it stands twice on one."""
    text = TOKEN.reveal()
    report = finder.find(f"{text}\n\n{text} {text}".encode())
    assert report.sightings == (Sighting(TOKEN, (Place("", 1), Place("", 3))),)


def test_all_places_of_an_encoded_token_are_reported() -> None:
    """Data that was searched once is skipped later only if it holds no token; and its beginning proves nothing."""
    empty = base64.b64encode(LINE * 3 + b"no token")
    full = base64.b64encode(LINE * 3 + TOKEN.reveal().encode())
    (found,) = finder.find(b"\n\n".join([empty, full, empty, full])).sightings
    assert [str(place) for place in found.places] == ["3", "7"]


def test_a_token_in_an_archive_is_reported_with_its_file() -> None:
    """The line is that of the file in the archive."""
    packed = PACKED["zip"](LINE * 2 + TOKEN.reveal().encode())
    (found,) = finder.find(packed).sightings
    assert [str(place) for place in found.places] == ["logs/app.log:3"]


def test_a_token_in_long_base64_is_reported_near_its_line() -> None:
    """A blob may have thousands of lines: the number of the first does not help."""
    before, after = random.Random(1).randbytes(57 * 300), b"\n" * 57 * 100
    data = LINE + base64.encodebytes(before + b" " + TOKEN.reveal().encode() + after)
    (found,) = finder.find(data).sightings
    assert found.places[0].line == pytest.approx(302, abs=2)


@pytest.mark.parametrize(
    "text",
    [
        repr(TOKEN),
        TOKEN.reveal()[:-1],
        TOKEN.reveal()[:-1] + ("a" if TOKEN.reveal()[-1] != "a" else "b"),
        "x" + TOKEN.reveal()[1:],
        "A" * 5000,
        "=" * 200,
        "é" * 100,
        "%5F" * 100,
        "\\u005f" * 100,
        "\x1b[" * 100,
    ],
)
def test_text_that_looks_like_a_token_is_not_reported(text: str) -> None:
    """The checksum decides."""
    assert finder.find(text.encode()) == Report((), ())


def test_many_pieces_of_text_in_base64_are_placed_by_one_look_at_the_lines() -> None:
    """All sightings of a run share what tells where its lines break, which is worked out once."""
    (run,) = text.runs(base64.encodebytes((TOKEN.reveal().encode() + b"\1") * 3))
    origins = [origin for _, origin in encodings.base64_decoded(run)]
    assert len(origins) == 3
    assert len({id(origin.__closure__[1].cell_contents) for origin in origins}) == 1  # type: ignore[attr-defined]


@given(st.binary(max_size=2000))
def test_any_bytes_are_searched_without_an_error(data: bytes) -> None:
    """Whatever is piped in."""
    finder.find(data)


def test_data_beyond_the_limit_is_reported() -> None:
    """The rest of very large data is not passed over in silence."""
    data = b"\n" * 2**20 + TOKEN.reveal().encode()
    assert finder.find(data, most=2**20) == Report((), ("everything after the first 1 MiB",))


def test_a_report_does_not_print_the_token() -> None:
    """It ends up in tables and in error messages."""
    assert TOKEN.reveal() not in repr(finder.find(TOKEN.reveal().encode()))
