"""Convert JSON objects to facts: immediately, without keeping the object itself.

Nothing here raises on an odd object. What cannot be read becomes a fact that says so, and `lifecycle` decides what that
means for this one object.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, TypedDict, TypeVar

from pydantic import ValidationError

from servicetokens.api import names, values
from servicetokens.api.meta import Model, describe_errors
from servicetokens.api.service_account import ServiceAccountSpec, ServiceAccountStatus
from servicetokens.api.service_role import ServiceRoleSpec, ServiceRoleStatus
from servicetokens.api.service_token import Credential, ServiceTokenSpec, ServiceTokenStatus
from servicetokens.lifecycle.content import found_fingerprint, read_owned
from servicetokens.lifecycle.snapshot import AccountFacts, Controller, RoleFacts, SecretFacts, TokenFacts
from servicetokens.tokens.verifier import KeyRing

Raw = Mapping[str, Any]
S = TypeVar("S", bound=Model)

# A token has 66 characters with the default prefix and 73 at most; what is longer is none, and is not hashed.
_MAX_TOKEN: Final = 128
_MAX_SERIAL_DIGITS: Final = 16
_OF_EVERY_SECRET: Final = {
    text: text for text in (names.SECRET_TYPE, names.API_VERSION, names.KIND_TOKEN, names.FIELD_MANAGER)
}


class _Common(TypedDict):
    name: str
    namespace: str
    uid: str
    generation: int
    resource_version: str
    deleting: bool


def identity(raw: Raw) -> tuple[str, str, str]:
    """Return the namespace, the name and the resourceVersion of an object, without looking at the rest of it."""
    meta = _mapping(raw.get("metadata"))
    return str(meta.get("namespace", "")), str(meta.get("name", "")), str(meta.get("resourceVersion", ""))


def token_facts(raw: Raw) -> TokenFacts:
    """Squeeze a ServiceToken."""
    spec, error = _read_spec(ServiceTokenSpec, raw)
    status = ServiceTokenStatus.read(raw.get("status"))
    created = _time(str(_mapping(raw.get("metadata")).get("creationTimestamp", "")))
    return TokenFacts(**_common(raw), spec=spec, spec_error=error, status=status, created_at=created)


def account_facts(raw: Raw) -> AccountFacts:
    """Squeeze a ServiceAccount (of servicetokens.dev)."""
    spec, error = _read_spec(ServiceAccountSpec, raw)
    return AccountFacts(
        **_common(raw), spec=spec, spec_error=error, status=ServiceAccountStatus.read(raw.get("status"))
    )


def role_facts(raw: Raw) -> RoleFacts:
    """Squeeze a ServiceRole."""
    spec, error = _read_spec(ServiceRoleSpec, raw)
    return RoleFacts(
        **_common(raw), spec=spec, spec_error=error, status=ServiceRoleStatus.read(raw.get("status"))
    )


def secret_facts(
    raw: Raw, ring: KeyRing | None, *, token_uid: str = "", candidates: tuple[Credential, ...] = ()
) -> SecretFacts:
    """Squeeze a Secret: its value is hashed with every key of *ring* and dropped.

    It is hashed for the owner and the serial that the Secret claims; with *candidates* for those of the token
    *token_uid* first, so that the value decides and not the marks around it. Of a Secret that is not of our type
    nothing but its owner is looked at.
    """
    meta = _mapping(raw.get("metadata"))
    controller, others = _owners(meta)
    secret_type = _shared(raw.get("type", ""))
    if secret_type != names.SECRET_TYPE:
        return SecretFacts(
            uid=str(meta.get("uid", "")),
            resource_version=str(meta.get("resourceVersion", "")),
            type=secret_type,
            controller=controller,
            other_owners=others,
        )
    labels, annotations = _texts(meta.get("labels")), _texts(meta.get("annotations"))
    is_owned = controller is not None or bool(others)
    stored = _mapping(raw.get("data"))
    data = {key: _decoded(stored.get(key)) for key in (names.SECRET_KEY, *read_owned(annotations)["data"])}
    found = {key: text for key, text in data.items() if text is not None}
    value = found.get(names.SECRET_KEY, "")
    proven = _proven(ring, token_uid, candidates, value)
    serial = proven.serial if proven else _serial(annotations.get(names.ANNOTATION_SERIAL, ""))
    return SecretFacts(
        uid=str(meta.get("uid", "")),
        resource_version=str(meta.get("resourceVersion", "")),
        type=secret_type,
        controller=controller,
        serial=serial,
        mint_time=_time(annotations.get(names.ANNOTATION_MINT_TIME, "")),
        verifiers={proven.verifier.key_id: proven.verifier.value}
        if proven
        else _verifiers(ring, controller, serial, value),
        fingerprint=found_fingerprint(labels, annotations, found),
        template=annotations.get(names.ANNOTATION_TEMPLATE, ""),
        immutable=raw.get("immutable") is True,
        changed_by=_last_writer(meta),
        other_owners=others,
        marked_for="" if is_owned else annotations.get(names.ANNOTATION_TOKEN_NAME, ""),
        token_id="" if is_owned else annotations.get(names.ANNOTATION_TOKEN_ID, ""),
    )


def _common(raw: Raw) -> _Common:
    meta = _mapping(raw.get("metadata"))
    generation = meta.get("generation", 0)
    return {
        "name": str(meta.get("name", "")),
        "namespace": str(meta.get("namespace", "")),
        "uid": str(meta.get("uid", "")),
        "generation": generation if isinstance(generation, int) else 0,
        "resource_version": str(meta.get("resourceVersion", "")),
        "deleting": "deletionTimestamp" in meta,
    }


def _read_spec(model: type[S], raw: Raw) -> tuple[S | None, str]:
    try:
        return model.model_validate(raw.get("spec")), ""
    except ValidationError as error:
        return None, describe_errors(error)


def _owners(meta: Raw) -> tuple[Controller | None, tuple[Controller, ...]]:
    """Return the controller, of which an object has one at most, and the other owners."""
    references = meta.get("ownerReferences")
    controller: Controller | None = None
    others: list[Controller] = []
    for reference in references if isinstance(references, list) else ():
        raw = _mapping(reference)
        owner = Controller(
            api_version=_shared(raw.get("apiVersion", "")),
            kind=_shared(raw.get("kind", "")),
            name=str(raw.get("name", "")),
            uid=str(raw.get("uid", "")),
        )
        if controller is None and raw.get("controller") is True:
            controller = owner
        else:
            others.append(owner)
    return controller, tuple(others)


def _verifiers(
    ring: KeyRing | None, controller: Controller | None, serial: int, value: str
) -> dict[str, str]:
    if ring is None or controller is None or not value or len(value) > _MAX_TOKEN:
        return {}
    return {key_id: ring.sign(key_id, controller.uid, serial, value) for key_id in ring.ids}


def _proven(
    ring: KeyRing | None, token_uid: str, candidates: tuple[Credential, ...], value: str
) -> Credential | None:
    """Return which of *candidates* the value is, if any."""
    if ring is None or not value or len(value) > _MAX_TOKEN:
        return None
    for candidate in candidates:
        verifier = candidate.verifier
        if ring.verify(verifier.value, verifier.key_id, token_uid, candidate.serial, value):
            return candidate
    return None


def _last_writer(meta: Raw) -> str:
    """Return the field manager that wrote last, other than ourselves; empty when there is none."""
    entries = meta.get("managedFields")
    writers = [_mapping(entry) for entry in entries] if isinstance(entries, list) else []
    others = [entry for entry in writers if entry.get("manager") != names.FIELD_MANAGER]
    last = max(others, key=lambda entry: str(entry.get("time", "")), default=None)
    return str(last.get("manager", "")) if last else ""


def _serial(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_SERIAL_DIGITS else 0


def _time(text: str) -> int | None:
    try:
        return values.parse_time(text)
    except ValueError:
        return None


def _decoded(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _shared(value: object) -> str:
    """Return a text, and always the same object for what stands in every Secret of ours: there are many."""
    text = str(value)
    return _OF_EVERY_SECRET.get(text, text)


def _mapping(value: object) -> Raw:
    return value if isinstance(value, Mapping) else {}


def _texts(value: object) -> dict[str, str]:
    return {str(key): text for key, text in _mapping(value).items() if isinstance(text, str)}
