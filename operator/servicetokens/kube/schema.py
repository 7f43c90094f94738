"""What of our kinds an installed CRD does not store: fields that its schema prunes, and status values that it rejects.

The models define the fields. A CRD that was applied from an older release, or edited, may carry any annotation; only
its schema says what it stores. The API server publishes the same schema as OpenAPI, for users without permission
to read CRDs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, get_args, get_origin

from servicetokens.api import names
from servicetokens.api.meta import Model
from servicetokens.api.service_account import ServiceAccount
from servicetokens.api.service_role import ServiceRole
from servicetokens.api.service_token import ServiceToken

Fields = Mapping[str, "Field"]
"""The fields of an object by their names in the API."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object: the fields *inside* it, and the *words* of its enumeration if it has one."""

    inside: Fields
    words: frozenset[str] = frozenset()


_MODELS: Final[Mapping[str, type[Model]]] = {
    names.PLURAL_TOKENS: ServiceToken,
    names.PLURAL_ACCOUNTS: ServiceAccount,
    names.PLURAL_ROLES: ServiceRole,
}
_KINDS: Final[Mapping[str, str]] = {
    names.PLURAL_TOKENS: names.KIND_TOKEN,
    names.PLURAL_ACCOUNTS: names.KIND_ACCOUNT,
    names.PLURAL_ROLES: names.KIND_ROLE,
}
_STATUS: Final = "status"
_OURS: Final = ("spec", _STATUS)
_KEEPS_ALL: Final = "x-kubernetes-preserve-unknown-fields"


def dropped_fields(definition: Mapping[str, Any], plural: str) -> Iterator[str]:
    """Yield the paths of the fields that the CRD *definition* of *plural* drops, as in `spec.allowedCIDRs`.

    A CRD that does not serve our version drops all of it, and one without the subresource drops `status`: with such a
    CRD, users who may write the spec could write status as well. A status field whose enumeration lacks a word is
    given with that word, because the API server rejects what we write. For a spec it rejects what users write, and
    tells them.
    """
    version = next(
        (
            one
            for one in _list(_map(definition.get("spec")).get("versions"))
            if one.get("name") == names.VERSION
        ),
        {},
    )
    if not version.get("served"):
        yield from _OURS
        return
    if _STATUS not in _map(version.get("subresources")):
        yield _STATUS
    schema = _map(_map(version.get("schema")).get("openAPIV3Schema"))
    yield from _missing(schema, {part: fields_of(_MODELS[plural])[part] for part in _OURS}, "")


def published_definition(document: Mapping[str, Any], plural: str) -> Mapping[str, Any] | None:
    """Return the part of the OpenAPI v3 *document* about *plural*, in the form of a CRD without metadata.

    None if there is none, as while the CRD is not installed, or does not serve our version.
    """
    wanted = {"group": names.GROUP, "version": names.VERSION, "kind": _KINDS[plural]}
    schemas = _map(_map(document.get("components")).get("schemas")).values()
    schema = next(
        (one for one in schemas if wanted in _list(_map(one).get("x-kubernetes-group-version-kind"))), None
    )
    if schema is None:
        return None
    has_status = any(path.endswith(f"/{plural}/{{name}}/status") for path in _map(document.get("paths")))
    version = {
        "name": names.VERSION,
        "served": True,
        "subresources": {"status": {}} if has_status else {},
        "schema": {"openAPIV3Schema": schema},
    }
    return {"spec": {"versions": [version]}}


@cache
def fields_of(model: type[Model]) -> Fields:
    """Return the fields of *model*."""
    found: dict[str, Field] = {}
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        inside = fields_of(inner) if inner is not None else {}
        found[field.alias or name] = Field(inside, frozenset(_words_in(field.annotation)))
    return found


def _missing(schema: Mapping[str, Any], fields: Fields, path: str) -> Iterator[str]:
    if schema.get(_KEEPS_ALL) is True:
        return
    known = _map(_map(schema.get("items")).get("properties") or schema.get("properties"))
    for name, field in fields.items():
        place = f"{path}.{name}".lstrip(".")
        if name not in known:
            yield place
            continue
        inner = _map(known[name])
        yield from _missing(inner, field.inside, place)
        allowed = inner.get("enum")
        if place.startswith(f"{_STATUS}.") and isinstance(allowed, list):
            yield from (f"{place} '{word}'" for word in sorted(field.words) if word not in allowed)


def _words_in(annotation: Any) -> Iterator[str]:
    """Give the strings that *annotation* lists, also optional ones."""
    if get_origin(annotation) is Literal:
        yield from (word for word in get_args(annotation) if isinstance(word, str))
    else:
        for part in get_args(annotation):
            yield from _words_in(part)


def _model_in(annotation: Any) -> type[Model] | None:
    """Return the model that *annotation* is about, also in a list or optional; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
