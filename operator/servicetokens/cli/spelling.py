"""Options as people type them for kubectl, in the spelling of click: `-o=json`, `--wait=false`, `-A=true`."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

_SHORT: Final = re.compile(r"(-[A-Za-z])=(.*)", re.DOTALL)
_SWITCH: Final = re.compile(r"(--[a-z][a-z-]*)=(.*)", re.DOTALL)
# All that kubectl has.
_DRY_RUNS: Final = frozenset(("client", "server"))
# What Go's strconv.ParseBool takes, which kubectl uses.
_BOOLEANS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


# What kubectl has for a list, and `get` has not; and what is called otherwise here.
_OF_KUBECTL: Final = (
    *("-w", "--watch", "--watch-only", "--output-watch-events", "-L", "--label-columns", "--show-labels"),
    *("--sort-by", "--field-selector", "--no-headers", "--template", "--chunk-size", "--show-kind"),
    *("--subresource", "-f", "--filename", "-k", "--kustomize", "-R", "--recursive"),
)
_ADVICE: Final[Mapping[tuple[str, str], str]] = {
    **{("get", option): f"`kubectl get svctok` has {option}." for option in _OF_KUBECTL},
    **dict.fromkeys(
        (("create", "-f"), ("create", "--filename"), ("token", "-f"), ("account", "-f")),
        "`kubectl apply -f` creates what is in a file.",
    ),
    **dict.fromkeys(
        (("report", "-o"), ("report", "-f")), "`--format` is the format, and `--output` the file."
    ),
    **dict.fromkeys(
        ((command, option) for command in ("revoke", "restore", "rotate") for option in ("-f", "--all")),
        "`-l`, `--account` or names select tokens.",
    ),
}


def advice(command: str, option: str) -> str:
    """Return what to type instead of an *option* that *command* does not have, with a space before it; or nothing."""
    found = _ADVICE.get((command, option))
    return f" {found}" if found else ""


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
        elif isinstance(option, DryRun) and match[2] in _DRY_RUNS - option.words.keys():
            message = f"--dry-run={match[2]} does not exist for `{command.name}`: {option.help or ''}".rstrip(
                ": "
            )
            raise click.UsageError(message)
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
