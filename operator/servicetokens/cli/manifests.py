"""The YAML that a person would write by hand. Nothing that was not asked for is in it: no defaults, no `state`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from servicetokens.api import names
from servicetokens.api.meta import Model, describe_errors
from servicetokens.api.service_account import ServiceAccountSpec
from servicetokens.api.service_token import ServiceTokenSpec
from servicetokens.api.values import parse_lifetime, parse_time
from servicetokens.cli.exits import Exit, Failure
from servicetokens.kube import paths

Manifest = Mapping[str, Any]

_PLURALS: Final = {
    names.KIND_ACCOUNT: names.PLURAL_ACCOUNTS,
    names.KIND_TOKEN: names.PLURAL_TOKENS,
}
_DAY: Final = re.compile("2[0-9]{3}-[0-9]{2}-[0-9]{2}")
_MAX_SHOWN: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRequest:
    """What a person asks for; empty is not asked for."""

    namespace: str
    name: str
    display_name: str | None = None
    description: str | None = None
    roles: Sequence[str] = ()
    max_lifetime: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """What a person asks for; *expires* is a length of time, `never`, or a moment.

    *import_from* is a Secret that holds a value in use, as `name` or `name/key`, and *import_until* its cut-over.
    """

    namespace: str
    name: str
    account: str
    expires: str
    description: str | None = None
    roles: Sequence[str] = ()
    audiences: Sequence[str] = ()
    networks: Sequence[str] = ()
    every: str | None = None
    overlap: str | None = None
    secret: str | None = None
    import_from: str | None = None
    import_until: str | None = None


def account(request: AccountRequest) -> Manifest:
    """Return a ServiceAccount. Raises `Failure` when a field breaks its rule."""
    spec = _given(
        displayName=request.display_name,
        description=request.description,
        roles=list(request.roles),
        tokenPolicy=_given(maxLifetime=request.max_lifetime),
    )
    return _checked(names.KIND_ACCOUNT, request.namespace, request.name, spec, ServiceAccountSpec)


def token(request: TokenRequest) -> Manifest:
    """Return a ServiceToken. Raises `Failure` when a field breaks its rule."""
    spec = _given(
        accountRef={"name": request.account},
        description=request.description,
        **_end(request.expires),
        roles=list(request.roles),
        audiences=list(request.audiences),
        allowedCIDRs=list(request.networks),
        rotation=_given(every=request.every, overlap=request.overlap),
        secret=_given(name=request.secret),
        **{"import": _import(request)},
    )
    return _checked(names.KIND_TOKEN, request.namespace, request.name, spec, ServiceTokenSpec)


def _import(request: TokenRequest) -> Mapping[str, Any]:
    name, _, key = (request.import_from or "").partition("/")
    return _given(secretRef=_given(name=name, key=key), until=request.import_until)


def _end(expires: str) -> Mapping[str, str]:
    for field, parse in (("expirationTime", parse_time), ("expiresAfter", parse_lifetime)):
        try:
            parse(expires)
        except ValueError:
            continue
        return {field: expires}
    day = _DAY.match(expires)
    example = f"{day[0]}T00:00:00Z" if day is not None else "2027-01-31T00:00:00Z"
    message = (
        f"--expires '{expires[:_MAX_SHOWN]}' is neither a lifetime, as in 30d (from 60s to 100y, or `never`), "
        f"nor a moment with its time and zone, as in {example}"
    )
    raise Failure(message, Exit.USAGE)


def _given(**fields: Any) -> dict[str, Any]:
    """Return the fields that say something."""
    return {field: value for field, value in fields.items() if value}


def _checked(kind: str, namespace: str, name: str, spec: Mapping[str, Any], model: type[Model]) -> Manifest:
    # The API server would reject the same, with the same message; this check needs no cluster.
    try:
        paths.ours(_PLURALS[kind], namespace, name)
    except paths.InvalidName:
        what = f"'{name[:_MAX_SHOWN]}' in namespace '{namespace[:_MAX_SHOWN]}'"
        message = f"the API server would reject {kind} {what}: names consist of lower-case letters, digits, '-', '.'"
        raise Failure(message, Exit.USAGE) from None
    try:
        model.model_validate(spec)
    except ValidationError as error:
        message = f"the API server would reject the {kind} '{name}': {describe_errors(error, 'spec')}"
        raise Failure(message, Exit.USAGE) from error
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
