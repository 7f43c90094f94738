"""Escape foreign text for display: the only place that escapes what a terminal, a log or a page would interpret.

Authors of objects may be untrusted by the person who reads about them. A control character in a description could set
the title of a terminal, fill its clipboard, hide what follows, or begin a line that looks like one of ours.
"""

import unicodedata
from typing import Final

# Spaces other than the ASCII one (as in "10 000"): not printable for Python, and harmless.
_SPACES: Final = "Zs"
# For a detail from a server or a library, in characters: two lines of a terminal.
_MAX_DETAIL: Final = 200


def escape_controls(text: str, keep: str = "") -> str:
    r"""Return *text* with every character that cannot be seen written as an escape, as in `\x1b` or `\u202e`.

    These are the control characters C0 and C1 with newline and tab among them, line and paragraph separators,
    characters without a width (which also turn the direction of a line around), surrogates, and what Unicode has not
    assigned. The characters in *keep* stay as they are. Clean text comes back unchanged, so escaping twice is harmless.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in keep or unicodedata.category(character) == _SPACES
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def one_line(text: str) -> str:
    """Return the beginning of foreign text, as much of it as fits into a message, on one line."""
    return "".join(one if one.isprintable() else " " for one in text[:_MAX_DETAIL])
