"""Kubeconfig files as kubectl reads them: several are merged, paths are relative to their file, one context is chosen.

No field about authentication or trust is ignored: `servicetokens.kube.credentials` supports it, or this module rejects
it by name. A field that only a later kubectl knows is rejected, too.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from servicetokens.kube.contradictions import check, check_exec
from servicetokens.kube.entries import ClusterEntry, ContextEntry, UserEntry
from servicetokens.kube.errors import NotConfigured
from servicetokens.kube.overrides import Overrides

# Large installations embed the certificates of hundreds of clusters; a larger file is not a kubeconfig.
_MAX_FILE: Final = 16 * 1024 * 1024
_MOST_NAMED: Final = 10
# Both may be left out.
_OF_A_KUBECONFIG: Final = {"apiVersion": "v1", "kind": "Config"}

_TIME: Final = "tag:yaml.org,2002:timestamp"
# The messages of msgspec, and its names of types in words.
_UNKNOWN_FIELD: Final = re.compile("Object contains unknown field `([^`]*)`")
_MISSING_FIELD: Final = re.compile("Object missing required field `([^`]*)`")
_WRONG_TYPE: Final = re.compile("Expected `([^` |]*)[^`]*`, got `([^`]*)`")
_TYPES: Final = {
    "str": "text",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "array": "a list",
    "object": "a mapping",
}
_SCALARS: Final = frozenset({"int", "float", "bool"})

NO_OVERRIDES: Final = Overrides()

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The entries that a context names, with all paths absolute."""

    context: str
    namespace: str
    cluster: ClusterEntry
    user: UserEntry


@dataclass(frozen=True, slots=True)
class _Named:
    """An entry of a list, and the folder of its file."""

    body: Mapping[str, Any]
    folder: Path


def load(paths: Sequence[Path], context: str | None = None, overrides: Overrides = NO_OVERRIDES) -> Chosen:
    """Return the entries that *context* (None or empty: the current one) names in *paths*, under *overrides*.

    The first file that has a name wins, as with kubectl; files that do not exist or are empty are skipped, and of
    several YAML documents in a file the first counts. With a server among *overrides*, no file need exist.

    Raises:
        NotConfigured: no file exists, one cannot be read, or the context is incomplete or not understood.
    """
    where = ":".join(map(str, paths))
    existing = [path for path in paths if path.exists()]
    if not existing and not overrides.server:
        message = f"the kubeconfig {where} does not exist; use --kubeconfig FILE"
        raise NotConfigured(message)
    files = [(_read(path), path.absolute().parent) for path in existing]
    try:
        return _choose(files, context or _current(files), overrides)
    except (ValueError, TypeError) as error:
        what = f"the kubeconfig {where} cannot be used" if files else "there is no kubeconfig"
        message = f"{what}: {error}"
        raise NotConfigured(message) from error


def is_blank(paths: Sequence[Path]) -> bool:
    """Say whether none of *paths* exists and names a cluster, a user or a context. Raises `NotConfigured`."""
    fields = ("clusters", "users", "contexts", "current-context")
    return not any(_read(path).get(field) for path in paths if path.exists() for field in fields)


def decode_data(field: str, value: str) -> bytes:
    """Return the bytes of a field that holds base64. Raises `ValueError`, which names the field."""
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        message = f"{field} is not base64"
        raise ValueError(message) from None


def _read(path: Path) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415 - see `read_first`

    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError as error:
        message = f"the kubeconfig {path} cannot be read: {error.strerror}"
        raise NotConfigured(message) from error
    if len(content) > _MAX_FILE:
        message = f"the kubeconfig {path} cannot be used: it is larger than {_MAX_FILE} bytes"
        raise NotConfigured(message)
    try:
        found = read_first(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # The text around the place is not quoted: it may be a credential.
        mark = getattr(error, "problem_mark", None)
        message = f"the kubeconfig {path} cannot be used: it is not YAML"
        raise NotConfigured(f"{message}, at line {mark.line + 1}" if mark else message) from None
    if not isinstance(found, dict | None):
        message = f"the kubeconfig {path} cannot be used: it is no mapping"
        raise NotConfigured(message)
    for field, wanted in _OF_A_KUBECONFIG.items():
        if (found or {}).get(field) not in (None, "", wanted):
            message = (
                f"the kubeconfig {path} cannot be used: it is another kind of file: {field} must be {wanted}"
            )
            raise NotConfigured(message)
    return found or {}


def read_first(content: bytes) -> Any:
    """Return the first YAML document of *content*, as kubectl does; None for an empty one.

    Values that look like a time stay text. Raises `yaml.YAMLError`, and `ValueError` for invalid numbers.
    """
    import yaml  # noqa: PLC0415 - a pod has no kubeconfig, and the import takes time and memory

    # The loader in C parses a large file many times faster; it is the same safe loader.
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag != _TIME]
        for first, found in base.yaml_implicit_resolvers.items()
    }
    loader = type("_Loader", (base,), {"yaml_implicit_resolvers": resolvers})(content)
    try:
        return loader.get_data() if loader.check_data() else None
    finally:
        loader.dispose()


def without_nulls(found: Any) -> Any:
    """Return *found* without fields that are null: for Go they are unset."""
    if isinstance(found, dict):
        return {key: without_nulls(one) for key, one in found.items() if one is not None}
    return [without_nulls(one) for one in found] if isinstance(found, list) else found


def _current(files: Sequence[tuple[Mapping[str, Any], Path]]) -> str:
    found = [content["current-context"] for content, _ in files if content.get("current-context") is not None]
    if any(not isinstance(name, str) for name in found):
        message = "current-context must be text: put it in quotes"
        raise ValueError(message)
    return next(filter(None, found), "")


def _choose(files: Sequence[tuple[Mapping[str, Any], Path]], name: str, overrides: Overrides) -> Chosen:
    contexts = _by_name(files, "contexts", "context")
    if not name and not (overrides.server or overrides.cluster):
        message = f"it has no current-context; choose one with --context{_known(contexts)}"
        raise ValueError(message if contexts else "it names no context")
    context = ContextEntry()
    if name:
        context = _convert(_find(contexts, "context", name), ContextEntry, f"context '{name}'")
    cluster = _cluster(files, name, overrides.cluster or context.cluster, overrides)
    user = _user(files, overrides.user or context.user, overrides)
    check(cluster, user, f"user '{overrides.user or context.user}'")
    return Chosen(name, context.namespace, cluster, user)


def _cluster(
    files: Sequence[tuple[Mapping[str, Any], Path]], context: str, name: str, overrides: Overrides
) -> ClusterEntry:
    cluster = ClusterEntry()
    if name:
        found = _find(_by_name(files, "clusters", "cluster"), "cluster", name)
        cluster = _convert(found, ClusterEntry, f"cluster '{name}'")
        cluster.certificate_authority = _resolved(cluster.certificate_authority, found)
    elif not overrides.server:
        message = f"context '{context}' names no cluster"
        raise ValueError(message)
    overrides.apply_to_cluster(cluster)
    if not cluster.server:
        message = f"cluster '{name}' has no server"
        raise ValueError(message)
    return cluster


def _user(files: Sequence[tuple[Mapping[str, Any], Path]], name: str, overrides: Overrides) -> UserEntry:
    user = UserEntry()
    if name:
        found = _find(_by_name(files, "users", "user"), "user", name)
        user = _convert(found, UserEntry, f"user '{name}'")
        for field in ("token_file", "client_certificate", "client_key"):
            setattr(user, field, _resolved(getattr(user, field), found))
        if user.exec is not None:
            check_exec(user.exec, f"user '{name}'")
            if "/" in user.exec.command:
                # A bare name is looked up on the path.
                user.exec.command = _resolved(user.exec.command, found)
    overrides.apply_to_user(user)
    return user


def _by_name(files: Sequence[tuple[Mapping[str, Any], Path]], plural: str, field: str) -> dict[str, _Named]:
    found: dict[str, _Named] = {}
    for content, folder in files:
        here: set[str] = set()
        entries = content.get(plural) or []
        if not isinstance(entries, list):
            message = f"{plural} must be a list"
            raise ValueError(message)  # noqa: TRY004 - told as everything else that is wrong with the file
        for at, entry in enumerate(entries):
            name, body = (entry.get("name"), entry.get(field)) if isinstance(entry, dict) else (entry, None)
            if name is None:
                continue
            if not isinstance(name, str) or not isinstance(entry, dict):
                message = f"{plural}[{at}].name must be text: put it in quotes"
                raise ValueError(message)  # noqa: TRY004 - as above
            if not isinstance(body, dict | None):
                message = f"{plural}[{at}].{field} must be a mapping"
                raise ValueError(message)  # noqa: TRY004 - as above
            if name in here:
                message = f"{plural} has two entries with the name '{name}'"
                raise ValueError(message)
            here.add(name)
            found.setdefault(name, _Named(body or {}, folder))
    return found


def _find(entries: Mapping[str, _Named], what: str, name: str) -> _Named:
    if name not in entries:
        message = f"there is no {what} '{name}'{_known(entries)}"
        raise ValueError(message)
    return entries[name]


def _known(entries: Mapping[str, _Named]) -> str:
    shown = ", ".join(sorted(entries)[:_MOST_NAMED])
    return f" (it has {shown}{', …' if len(entries) > _MOST_NAMED else ''})" if entries else ""


def _convert(found: _Named, kind: type[T], what: str) -> T:
    """Return *found* as *kind*; a field that is not supported is rejected by its name, never by its value."""
    try:
        return msgspec.convert(without_nulls(found.body), kind)
    except msgspec.ValidationError as error:
        message = f"{what}: {_in_words(str(error))}"
        raise ValueError(message) from None
    except RecursionError:
        message = f"{what}: it is nested too deeply"
        raise ValueError(message) from None


def _in_words(error: str) -> str:
    """Return msgspec's error about a field, for readers who do not know msgspec. Neither contains values."""
    what, _, place = error.partition(" - at `$")
    place = place.rstrip("`").removeprefix(".")
    inside = f"{place}." if place else ""
    if (named := _UNKNOWN_FIELD.fullmatch(what)) is not None:
        return f"the field '{inside}{named[1]}' is not known here: correct its name, or remove it"
    if (named := _MISSING_FIELD.fullmatch(what)) is not None:
        return f"{inside}{named[1]} is missing"
    if (named := _WRONG_TYPE.fullmatch(what)) is not None:
        wanted, got = (_TYPES.get(name, name) for name in named.groups())
        hint = ": put it in quotes" if named[1] == "str" and named[2] in _SCALARS else ""
        return f"{place or 'it'} must be {wanted}, not {got}{hint}"
    return f"{place or 'it'} is not understood"


def _resolved(path: str, found: _Named) -> str:
    return str(found.folder / path) if path else ""
