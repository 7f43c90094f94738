"""Names as people paste them: plain, or with the type before them in every form that kubectl prints or accepts."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import click

from servicetokens.api import names
from servicetokens.cli.options import names_of
from servicetokens.cli.pasting import is_token

# The plural is what kubectl lists, the singular what it prints, the last a short name of the CRD.
_WORDS: Final[Mapping[str, Sequence[str]]] = {
    names.PLURAL_TOKENS: ("tokens", "token", "servicetokens", "servicetoken", "svctok"),
    names.PLURAL_ACCOUNTS: ("accounts", "account", "serviceaccounts", "serviceaccount", "svcacct"),
    names.PLURAL_ROLES: ("roles", "role", "serviceroles", "servicerole", "svcrole"),
}
_PLURALS: Final = {word: plural for plural, words in _WORDS.items() for word in words}
_SUFFIXES: Final = (f".{names.VERSION}.{names.GROUP}", f".{names.GROUP}")
_KINDS: Final = {
    names.PLURAL_TOKENS: names.KIND_TOKEN,
    names.PLURAL_ACCOUNTS: names.KIND_ACCOUNT,
    names.PLURAL_ROLES: names.KIND_ROLE,
}
# Fewer letters in common than this, and it is another word.
_SIMILAR: Final = 0.6


def plural_of(word: str) -> str | None:
    """Return the plural of the type that *word* names, as in `svctok` or `servicetoken.servicetokens.dev`."""
    lower = word.lower()
    for suffix in _SUFFIXES:
        lower = lower.removesuffix(suffix)
    return _PLURALS.get(lower)


def split(words: Sequence[str], default: str = names.PLURAL_TOKENS) -> tuple[str, list[str]]:
    """Return the type and the names that *words* mean: `TYPE [NAME...]`, or names that may be `TYPE/NAME`.

    A first word that is a type is one, as with kubectl. Raises `click.UsageError` where types are mixed or unknown.
    """
    found = grouped(words, default)
    if len(found) > 1:
        message = f"{' and '.join(sorted(found))} cannot be shown together: ask for one type at a time"
        raise click.UsageError(message)
    return next(iter(found.items()))


def grouped(words: Sequence[str], default: str = names.PLURAL_TOKENS) -> dict[str, list[str]]:
    """Return the names that *words* mean, by type, in their order; no names are all objects of that type.

    `TYPE[,TYPE] [NAME...]`, or names that may be `TYPE/NAME`. Raises `click.UsageError` for what is unknown.
    """
    if words and "/" not in words[0]:
        plurals = [plural_of(word) for word in words[0].split(",")]
        if None not in plurals:
            known = [plural for plural in plurals if plural is not None]
            return {plural: [name_of(word, plural) for word in words[1:]] for plural in known}
    found: dict[str, list[str]] = {}
    for word in words:
        plural, name = _split(word)
        found.setdefault(plural or default, []).append(name)
    return found or {default: []}


def name_of(word: str, plural: str) -> str:
    """Return the name in *word*, which may have its type before it. Raises `click.UsageError` for another type."""
    kind, name = _split(word)
    if kind not in {None, plural}:
        message = f"'{word}' is a {_KINDS[kind or plural]}; this command needs a {_KINDS[plural]}"
        raise click.UsageError(message)
    return name


def _split(word: str) -> tuple[str | None, str]:
    if not word:
        message = "a name is empty; check that the variable is set"
        raise click.UsageError(message)
    if is_token(word):
        message = (
            "that is a token and not a name, and it is in the history of your shell now: tokens are read from stdin, "
            "as in `kubectl servicetoken revoke -`"
        )
        raise click.UsageError(message)
    kind, slash, name = word.partition("/")
    if not slash:
        return None, word
    plural = plural_of(kind)
    if plural is None or not name:
        message = f"'{word}' is not TYPE/NAME of {names.GROUP}, as in servicetoken/ci-prod"
        raise click.UsageError(message)
    return plural, name


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that names what is similar to *word* among *known*; empty when nothing is."""
    close = difflib.get_close_matches(word, sorted(set(known)), n=3, cutoff=_SIMILAR)
    if not close:
        return ""
    quoted = [f"'{one}'" for one in close]
    listed = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return f"; did you mean {listed}?"


class Name(click.ParamType[str]):
    """The name of an object of one type; `TYPE/NAME` is accepted."""

    name = "name"

    def __init__(self, plural: str) -> None:
        self._plural = plural

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        return value if value == "-" else name_of(str(value), self._plural)


def account_option(what: str, *, required: bool = False) -> Callable[[Any], Any]:
    """Give a command `--account`, which takes `ci` and `svcacct/ci`."""
    return click.option(
        "--account",
        required=required,
        metavar="NAME",
        type=Name(names.PLURAL_ACCOUNTS),
        shell_complete=names_of(names.PLURAL_ACCOUNTS),
        help=what,
    )
