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

from servicetokens.kube.errors import NotConfigured

# Large installations embed the certificates of hundreds of clusters; a larger file is not a kubeconfig.
_MAX_FILE: Final = 16 * 1024 * 1024
_MOST_NAMED: Final = 10

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

T = TypeVar("T", bound=msgspec.Struct)


class ClusterEntry(msgspec.Struct, rename="kebab", forbid_unknown_fields=True):
    """`clusters[].cluster`. `disable-compression` needs no code: compressed answers are never requested."""

    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: list[Any] | None = None


class ExecVariable(msgspec.Struct, forbid_unknown_fields=True):
    """An environment variable of an exec plugin."""

    name: str
    value: str = ""


class ExecEntry(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """`users[].user.exec`."""

    command: str
    api_version: str
    args: list[str] | None = None
    env: list[ExecVariable] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class AuthProvider(msgspec.Struct, forbid_unknown_fields=True):
    """`users[].user.auth-provider`."""

    name: str
    config: dict[str, str] | None = None


class UserEntry(msgspec.Struct, rename="kebab", forbid_unknown_fields=True):
    """`users[].user`."""

    token: str = ""
    token_file: str = msgspec.field(name="tokenFile", default="")
    username: str = ""
    password: str = ""
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    impersonate: str = msgspec.field(name="as", default="")
    as_uid: str = ""
    as_groups: list[str] | None = None
    as_user_extra: dict[str, list[str]] | None = None
    auth_provider: AuthProvider | None = None
    exec: ExecEntry | None = None
    extensions: list[Any] | None = None


class ContextEntry(msgspec.Struct):
    """`contexts[].context`."""

    cluster: str = ""
    user: str = ""
    namespace: str = ""


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


def load(paths: Sequence[Path], context: str | None = None) -> Chosen:
    """Return the entries that *context* (None or empty: the current one) names in the files *paths*.

    The first file that has a name wins, as with kubectl; files that do not exist or are empty are skipped, and of
    several YAML documents in a file the first counts.

    Raises:
        NotConfigured: no file exists, one cannot be read, or the context is incomplete or not understood.
    """
    where = ":".join(map(str, paths))
    existing = [path for path in paths if path.exists()]
    if not existing:
        message = f"the kubeconfig {where} does not exist; use --kubeconfig FILE"
        raise NotConfigured(message)
    files = [(_read(path), path.absolute().parent) for path in existing]
    try:
        return _choose(files, context or _current(files))
    except (ValueError, TypeError) as error:
        message = f"the kubeconfig {where} cannot be used: {error}"
        raise NotConfigured(message) from error


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


def _choose(files: Sequence[tuple[Mapping[str, Any], Path]], name: str) -> Chosen:
    contexts = _by_name(files, "contexts", "context")
    if not name:
        message = f"it has no current-context; choose one with --context{_known(contexts)}"
        raise ValueError(message if contexts else "it names no context")
    context = _convert(_find(contexts, "context", name), ContextEntry, f"context '{name}'")
    if not context.cluster:
        message = f"context '{name}' names no cluster"
        raise ValueError(message)
    cluster_at = _find(_by_name(files, "clusters", "cluster"), "cluster", context.cluster)
    cluster = _convert(cluster_at, ClusterEntry, f"cluster '{context.cluster}'")
    if not cluster.server:
        message = f"cluster '{context.cluster}' has no server"
        raise ValueError(message)
    cluster.certificate_authority = _resolved(cluster.certificate_authority, cluster_at)
    user = UserEntry()
    if context.user:
        user_at = _find(_by_name(files, "users", "user"), "user", context.user)
        user = _convert(user_at, UserEntry, f"user '{context.user}'")
        for field in ("token_file", "client_certificate", "client_key"):
            setattr(user, field, _resolved(getattr(user, field), user_at))
        if user.exec is not None:
            _check_exec(user.exec, f"user '{context.user}'")
            if "/" in user.exec.command:
                # A bare name is looked up on the path.
                user.exec.command = _resolved(user.exec.command, user_at)
    _check(cluster, user, f"user '{context.user}'")
    return Chosen(name, context.namespace, cluster, user)


def _by_name(files: Sequence[tuple[Mapping[str, Any], Path]], plural: str, field: str) -> dict[str, _Named]:
    found: dict[str, _Named] = {}
    for content, folder in files:
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


def _check_exec(entry: ExecEntry, who: str) -> None:
    """Reject entries with which no program can be started."""
    variables = entry.env or []
    for is_wrong, what in (
        (not entry.command, "exec.command is empty"),
        (not entry.api_version, "exec.apiVersion is empty"),
        (
            any("\0" in one for one in (entry.command, *(entry.args or ()))),
            "exec.command and exec.args must not contain a NUL character",
        ),
        (
            any(not one.name or "=" in one.name or "\0" in one.name + one.value for one in variables),
            "exec.env needs names without '=', and no NUL character anywhere",
        ),
    ):
        if is_wrong:
            message = f"{who}: {what}"
            raise ValueError(message)


def _check(cluster: ClusterEntry, user: UserEntry, who: str) -> None:
    """Reject what kubectl rejects, in one sentence."""
    certificate = user.client_certificate or user.client_certificate_data
    key = user.client_key or user.client_key_data
    for is_wrong, message in (
        (
            cluster.insecure_skip_tls_verify
            and bool(cluster.certificate_authority or cluster.certificate_authority_data),
            "insecure-skip-tls-verify and certificate-authority exclude each other",
        ),
        (
            bool(user.token or user.token_file) and bool(user.username or user.password),
            f"{who} has a token and a password: only one is allowed",
        ),
        (
            bool(user.exec and user.auth_provider),
            f"{who} has exec and auth-provider: only one is allowed",
        ),
        (bool(certificate) != bool(key), f"{who} has a client certificate or a client key, but not both"),
        (
            bool(user.as_uid or user.as_groups or user.as_user_extra) and not user.impersonate,
            f"{who} has as-uid, as-groups or as-user-extra, but no user in `as`",
        ),
    ):
        if is_wrong:
            raise ValueError(message)
