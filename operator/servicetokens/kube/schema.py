"""Which fields of our kinds an installed CRD would drop: the API server prunes fields that its schema does not have.

The models define the fields. A CRD that was applied from an older release, or edited, may carry any annotation; only
its schema says which fields it keeps. The API server publishes the same schema as OpenAPI, for users without permission
to read CRDs.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, get_args

from servicetokens.api import names
from servicetokens.api.meta import Model
from servicetokens.api.service_account import ServiceAccount
from servicetokens.api.service_role import ServiceRole
from servicetokens.api.service_token import ServiceToken

Fields = Mapping[str, "Fields"]
"""The fields of an object by their names in the API, each with those inside it."""

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
_OURS: Final = ("spec", "status")
_KEEPS_ALL: Final = "x-kubernetes-preserve-unknown-fields"


def dropped_fields(definition: Mapping[str, Any], plural: str) -> Iterator[str]:
    """Yield the paths of the fields that the CRD *definition* of *plural* drops, as in `spec.allowedCIDRs`.

    A CRD that does not serve our version drops all of it, and one without the subresource drops `status`: with such a
    CRD, users who may write the spec could write status as well.
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
    if "status" not in _map(version.get("subresources")):
        yield "status"
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
    found: dict[str, Fields] = {}
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        found[field.alias or name] = fields_of(inner) if inner is not None else {}
    return found


def _missing(schema: Mapping[str, Any], fields: Fields, path: str) -> Iterator[str]:
    if schema.get(_KEEPS_ALL) is True:
        return
    known = _map(_map(schema.get("items")).get("properties") or schema.get("properties"))
    for name, inner in fields.items():
        place = f"{path}.{name}".lstrip(".")
        if name in known:
            yield from _missing(_map(known[name]), inner, place)
        else:
            yield place


def _model_in(annotation: Any) -> type[Model] | None:
    """Return the model that *annotation* is about, also in a list or optional; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
