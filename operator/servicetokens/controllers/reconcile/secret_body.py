"""The Secret that the operator sends: its body, and what is kept of the existing one."""

import base64
from typing import Any

from servicetokens.api import names
from servicetokens.controllers.cache.facts import Raw
from servicetokens.lifecycle.content import Content, read_owned
from servicetokens.lifecycle.snapshot import SecretFacts, TokenFacts


def named(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return *body* with a name, as a creation needs it."""
    return {**body, "metadata": {**body["metadata"], "name": name}}


def on_top_of(raw: Raw, body: dict[str, Any]) -> dict[str, Any]:
    """Return *body* with the labels, annotations and data of *raw* that it does not set."""
    meta = raw.get("metadata") or {}
    metadata = {
        **body["metadata"],
        "labels": {**(meta.get("labels") or {}), **body["metadata"]["labels"]},
        "annotations": {**(meta.get("annotations") or {}), **body["metadata"]["annotations"]},
    }
    return {**body, "metadata": metadata, "data": {**(raw.get("data") or {}), **body["data"]}}


def secret_body(token: TokenFacts, content: Content, value: str) -> dict[str, Any]:
    """Return a Secret of *token* with *content*, and *value* where the token belongs."""
    return {
        "metadata": {
            "labels": dict(content.labels),
            "annotations": dict(content.annotations),
            "ownerReferences": [
                {
                    "apiVersion": names.API_VERSION,
                    "kind": names.KIND_TOKEN,
                    "name": token.name,
                    "uid": token.uid,
                    "controller": True,
                    # `true` needs a permission on finalizers under OwnerReferencesPermissionEnforcement (OpenShift),
                    # and nothing has to wait for the Secret.
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "type": names.SECRET_TYPE,
        "data": {
            key: base64.b64encode(text.encode()).decode() for key, text in content.filled(value).items()
        },
    }


def remove_what_left(patch: dict[str, Any], content: Content, seen: SecretFacts) -> None:
    """Add to a merge patch the removal of keys that the template once added, but does not contain any more."""
    owned = read_owned({names.ANNOTATION_TEMPLATE: seen.template} if seen.template else {})
    notes = (names.ANNOTATION_EXPIRED, names.ANNOTATION_TEMPLATE)
    metadata = patch["metadata"]
    metadata["labels"] |= dict.fromkeys(set(owned["labels"]) - set(content.labels))
    metadata["annotations"] |= dict.fromkeys({*owned["annotations"], *notes} - set(content.annotations))
    patch["data"] |= dict.fromkeys(set(owned["data"]) - set(content.data))


def stored_value(raw: Raw) -> str:
    """Return the token that the Secret *raw* holds; nothing when it holds none."""
    stored = (raw.get("data") or {}).get(names.SECRET_KEY, "")
    try:
        return base64.b64decode(stored, validate=True).decode()
    except ValueError:
        return ""
