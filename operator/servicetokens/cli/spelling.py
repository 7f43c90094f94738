"""Options as people type them for kubectl, in the spelling of click: `-o=json`, `--wait=false`, `-A=true`."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

_SHORT: Final = re.compile(r"(-[A-Za-z])=(.*)", re.DOTALL)
_SWITCH: Final = re.compile(r"(--[a-z][a-z-]*)=(.*)", re.DOTALL)
# What Go's strconv.ParseBool takes, which kubectl uses.
_BOOLEANS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


class DryRun(click.Option):
    """A switch `--dry-run` that also takes *words*, as kubectl's does; both forms mean the same here."""

    def __init__(self, *args: Any, words: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "is_flag": True})
        self.words = {"none": False, **dict.fromkeys(words, True)}


def as_click_reads(command: click.Command, words: Iterable[str]) -> list[str]:
    """Return the *words* behind *command* without what click does not know; what is behind `--` stays as it is."""
    options = {flag: one for one in command.params if isinstance(one, click.Option) for flag in one.opts}
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*found, word, *rest]
        match = _SHORT.fullmatch(word) or _SWITCH.fullmatch(word)
        option = options.get(match[1]) if match else None
        if match is None or option is None:
            found.append(word)
        elif not option.is_flag:
            found += [match[1], match[2]] if len(match[1]) == len("-o") else [word]
        elif (wanted := _meaning(option, match[2])) is None:
            found.append(word)
        elif wanted:
            found.append(match[1])
        else:
            # Without an opposite, what is not said is false.
            found += option.secondary_opts[:1]
    return found


def _meaning(option: click.Option, word: str) -> bool | None:
    if isinstance(option, DryRun) and word in option.words:
        return option.words[word]
    return _BOOLEANS.get(word)
