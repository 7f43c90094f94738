"""config/olm: a bundle for the Operator Lifecycle Manager, from what the chart renders and what config/rbac grants."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from common.repository import ROOT
from servicetokens import __version__

BUNDLE: Final = ROOT / "config" / "olm"
RBAC: Final = ROOT / "config" / "rbac"
NAME: Final = f"servicetokens.v{__version__}"
# It is written down once, not at each run.
CREATED: Final = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
_HEAD: Final = "# Written by `make generate`.\n"
_MODES: Final = {
    "OwnNamespace": True,
    "SingleNamespace": True,
    "MultiNamespace": False,
    "AllNamespaces": True,
}
_KINDS: Final = {
    "serviceaccounts": ("ServiceAccount", "Service account", "A synthetic user that tokens belong to."),
    "servicetokens": ("ServiceToken", "Service token", "A token of an account, delivered in a Secret."),
    "serviceroles": ("ServiceRole", "Service role", "What an account may be given, and where."),
}
_DESCRIPTION: Final = """Service tokens declared in YAML: minted into Secrets, rotated with overlap, revoked, restored.

A validator answers whether a token is valid: to kube-apiserver, to nginx, Traefik, Caddy, HAProxy, to Envoy and Istio,
and to any service.
"""


def render() -> dict[Path, str]:
    """Return every file of the bundle, with what has to be in it."""
    manifests = BUNDLE / "manifests"
    annotations = {
        f"operators.operatorframework.io.bundle.{key}": value for key, value in _metadata().items()
    }
    files = {
        manifests / "servicetokens.clusterserviceversion.yaml": _dump(_service_version()),
        BUNDLE / "metadata" / "annotations.yaml": _dump({"annotations": annotations}),
    }
    for item in _installed("Service", "PodDisruptionBudget"):
        name = f"{item['metadata']['name']}.{item['kind'].lower()}.yaml"
        files[manifests / name] = _dump(_without_namespace(item))
    for plural in _KINDS:
        files[manifests / f"{plural}.yaml"] = (ROOT / "crds" / f"{plural}.yaml").read_text()
    return files


def _metadata() -> dict[str, str]:
    return {
        "mediatype.v1": "registry+v1",
        "manifests.v1": "manifests/",
        "metadata.v1": "metadata/",
        "package.v1": "servicetokens",
        "channels.v1": "beta",
        "channel.default.v1": "beta",
    }


def _service_version() -> dict[str, Any]:
    examples = [
        item
        for path in sorted((ROOT / "examples").glob("*.yaml"))
        for item in yaml.safe_load_all(path.read_text())
        if item and item["kind"] != "Namespace"
    ]
    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {
            "name": NAME,
            "namespace": "placeholder",
            "annotations": {
                "alm-examples": json.dumps(examples),
                "capabilities": "Deep Insights",
                "categories": "Security",
                "containerImage": _image(),
                "createdAt": CREATED.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "description": "Long-lived service tokens for Kubernetes, declared in YAML.",
            },
        },
        "spec": {
            "displayName": "servicetokens",
            "description": _DESCRIPTION,
            "version": __version__,
            "maturity": "beta",
            "minKubeVersion": "1.34.0",
            "provider": {"name": "servicetokens"},
            "keywords": ["tokens", "authentication", "api-keys", "rotation"],
            "installModes": [{"type": mode, "supported": supported} for mode, supported in _MODES.items()],
            "customresourcedefinitions": {
                "owned": [
                    {
                        "name": f"{plural}.servicetokens.dev",
                        "version": "v1beta1",
                        "kind": kind,
                        "displayName": title,
                        "description": text,
                    }
                    for plural, (kind, title, text) in _KINDS.items()
                ]
            },
            "install": {
                "strategy": "deployment",
                "spec": {
                    "clusterPermissions": _permissions("ClusterRole"),
                    "permissions": _permissions("Role"),
                    "deployments": [_deployment(item) for item in _installed("Deployment")],
                },
            },
        },
    }


def _deployment(item: dict[str, Any]) -> dict[str, Any]:
    """OLM chooses the namespaces: ours by the pod's own, those that are served by an annotation."""
    template = item["spec"]["template"]
    (container,) = template["spec"]["containers"]
    container["args"] = [
        "--namespace=$(POD_NAMESPACE)" if argument.startswith("--namespace=") else argument
        for argument in container["args"]
    ]
    container["env"] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in (
            ("POD_NAMESPACE", "metadata.namespace"),
            ("POD_NAME", "metadata.name"),
            ("SERVICETOKENS_WATCH_NAMESPACE", "metadata.annotations['olm.targetNamespaces']"),
        )
    ]
    return {"name": item["metadata"]["name"], "label": item["metadata"]["labels"], "spec": item["spec"]}


def _permissions(kind: str) -> list[dict[str, Any]]:
    """Return the rules that each of our ServiceAccounts is bound to, by roles of *kind*."""
    objects = [
        item for path in sorted(RBAC.glob("rbac*.yaml")) for item in yaml.safe_load_all(path.read_text())
    ]
    rules = {(item["kind"], item["metadata"]["name"]): item.get("rules") for item in objects}
    found: dict[str, list[Any]] = {}
    for item in objects:
        reference = item.get("roleRef")
        if reference and reference["kind"] == kind:
            for subject in item["subjects"]:
                if subject["kind"] == "ServiceAccount":
                    found.setdefault(subject["name"], []).extend(rules[kind, reference["name"]])
    return [{"serviceAccountName": name, "rules": granted} for name, granted in sorted(found.items())]


def _installed(*kinds: str) -> Iterator[dict[str, Any]]:
    for item in yaml.safe_load_all((ROOT / "config" / "manager" / "manager.yaml").read_text()):
        if item["kind"] in kinds:
            yield item


def _without_namespace(item: dict[str, Any]) -> dict[str, Any]:
    del item["metadata"]["namespace"]
    return item


def _image() -> str:
    (image,) = {
        container["image"]
        for item in _installed("Deployment")
        for container in item["spec"]["template"]["spec"]["containers"]
    }
    return str(image)


def _dump(value: Any) -> str:
    return _HEAD + yaml.safe_dump(value, sort_keys=False, width=120)
