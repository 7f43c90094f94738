"""Build a whole CustomResourceDefinition from a kind and its model."""

import inspect
from typing import Any

from servicetokens.api import names
from servicetokens.api.meta import Model, StatusModel
from servicetokens.crdgen.kinds import Kind
from servicetokens.crdgen.structural import Schema, in_order, structural


def custom_resource_definition(kind: Kind) -> dict[str, Any]:
    """Return the CRD of *kind*, with its keys in reading order."""
    version: dict[str, Any] = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
    }
    if kind.selectable_fields:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable_fields]
    version["additionalPrinterColumns"] = [column.to_wire() for column in kind.columns]
    version["schema"] = {"openAPIV3Schema": _root_schema(kind)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": kind.crd_name,
            "annotations": {names.ANNOTATION_SCHEMA_REVISION: str(names.SCHEMA_REVISION)},
        },
        "spec": {
            "group": names.GROUP,
            "scope": kind.scope,
            "names": dict(kind.names()),
            "versions": [version],
        },
    }


def _root_schema(kind: Kind) -> Schema:
    schema = structural(kind.model.model_json_schema(by_alias=True, mode="validation"))
    properties = schema["properties"]
    schema["description"] = _one_line(inspect.getdoc(kind.model))
    # Every object has metadata; requiring it would only add to the messages.
    schema["required"] = ["spec"]
    schema["properties"] = {
        # The API server has its own descriptions for these two.
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": _metadata_schema(properties["metadata"]),
        "spec": properties["spec"],
        "status": in_order({**properties["status"], "default": _status_default(kind.model)}),
    }
    return in_order(schema)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _metadata_schema(metadata: Schema) -> Schema:
    """Return what a CRD may require of metadata: the name, which the API server then checks."""
    return {"type": "object", "properties": {"name": metadata["properties"]["name"]}}


def _status_default(model: type[Model]) -> dict[str, Any]:
    """Return the status that the API server gives to new objects.

    Without one, kstatus (which Flux uses to wait) takes an object for current before any operator has processed it.
    """
    status: StatusModel = model.model_fields["status"].default
    return status.to_wire()
