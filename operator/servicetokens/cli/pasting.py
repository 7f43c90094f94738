"""What people paste where a token or its public id is wanted: with quotes, a header or an encoding around it."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final

import click

from servicetokens.tokens.format import MalformedToken, parse_any

# As tokens are shown: `svt_0123456789AB_…`; the dots are also typed as three.
_SHOWN: Final = re.compile(r"(?:[a-z][a-z0-9]{1,9}_)?([0-9A-Za-z]{12})(?:_(?:…|\.{3})?)?")
_QUOTES: Final = "\"'`\u201c\u201d\u2018\u2019"
_HEADER: Final = re.compile(r"(?:(?:proxy-)?authorization\s*:\s*)?(?:bearer|basic|token)\s+", re.IGNORECASE)
_ASSIGNMENT: Final = re.compile(r"(?:export\s+)?[-\w.]+\s*[:=]\s*")
# More line breaks in one token do not occur in practice.
_LAYERS: Final = 5


class PublicId(click.ParamType[str]):
    """The public id of a token: alone, or as tokens are shown. Nothing of what is not one is quoted."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`. Empty stays empty: the command says what that means."""
        text = value.strip()
        if not text:
            return ""
        if (shown := _SHOWN.fullmatch(text)) is not None:
            return shown[1]
        try:
            return parse_any(text).id
        except MalformedToken:
            message = "a public id has 12 letters and digits, as in 0123456789AB or svt_0123456789AB_…"
            self.fail(message, param, ctx)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("ascii").strip()
    except (binascii.Error, ValueError):
        return text


_STEPS: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("the byte order mark in front", lambda text: text.removeprefix("\ufeff")),
    ("the name of the header", lambda text: _HEADER.sub("", text, count=1) if _HEADER.match(text) else text),
    (
        "what is before the value",
        lambda text: _ASSIGNMENT.sub("", text, count=1) if _ASSIGNMENT.match(text) else text,
    ),
    ("the character behind it", lambda text: text.rstrip(",;.")),
    ("the quotation marks", lambda text: text.strip(_QUOTES)),
    ("the base64 (`base64 -d` decodes it)", _decoded),
    ("the line breaks and spaces in it", lambda text: "".join(text.split())),
)


def what_is_around(text: str) -> str:
    """Return what to leave out so that *text* is a token, as a sentence that quotes nothing; empty for no token."""
    around: list[str] = []
    for _ in range(_LAYERS):
        if is_token(text):
            return f"there is a token in it; leave out {', '.join(dict.fromkeys(around))}" if around else ""
        for what, strip in _STEPS:
            if (inner := strip(text).strip()) != text:
                text = inner
                around.append(what)
                break
        else:
            return ""
    return ""


def is_token(text: str) -> bool:
    """Say whether *text* is a whole token, of whatever installation."""
    try:
        parse_any(text)
    except MalformedToken:
        return False
    return True
