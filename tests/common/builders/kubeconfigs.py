"""Kubeconfigs as people have them, and both ways of asking an API server by one."""

import json
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from common.fakes.front import Front
from controlplane.certificates import CertificateAuthority
from controlplane.ports import LOOPBACK
from servicetokens.kube import oneshot
from servicetokens.kube.access import Access, AccessSource, find_source
from servicetokens.kube.client import Api
from servicetokens.kube.errors import NotConfigured
from servicetokens.kube.oneshot import OneShot

V1: Final = "client.authentication.k8s.io/v1"


def write(
    path: Path, body: Mapping[str, Any], user: Mapping[str, Any] | None = None, /, **context: str
) -> Path:
    """Write a kubeconfig with one context."""
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {"cluster": "c", "user": "u", **context}
    content = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": named}],
        "clusters": [{"name": "c", "cluster": dict(body)}],
        "users": [{"name": "u", "user": dict(user or {})}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def trusting(front: Front, authority: CertificateAuthority, **more: Any) -> dict[str, Any]:
    """Return a cluster whose server is *front*."""
    return {
        "server": f"https://{LOOPBACK}:{front.port}",
        "certificate-authority": str(authority.certificate),
        "tls-server-name": "kubernetes",
        **more,
    }


Door = Callable[[AccessSource, Access], Api | OneShot]
# What the operator asks the API server with, and what the plugin does.
DOORS: dict[str, Door] = {"operator": Api, "plugin": oneshot.door}
used: list[Door] = [Api]


async def ask(file: Path, *, environment: Mapping[str, str] | None = None, **options: Any) -> None:
    """Send one request by the kubeconfig *file*."""
    source = find_source(str(file), environment or {}, **options)
    async with used[0](source, await source.load()) as api:
        await api.request("GET", "/version")


async def rejection(file: Path, **options: Any) -> str:
    """Return the sentence by which a kubeconfig is rejected before anything is sent."""
    with pytest.raises(NotConfigured) as caught:
        await ask(file, **options)
    said = str(caught.value)
    assert "\n" not in said
    assert "Error" not in said
    return said


def helper(folder: Path, body: str) -> str:
    """Write a program next to the kubeconfig and return its name as people write it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "helper.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return "./helper.sh"


def plugin(command: str, **more: Any) -> dict[str, Any]:
    """Return a user that logs in by *command*."""
    return {"exec": {"apiVersion": V1, "command": command, "interactiveMode": "Never", **more}}


def printed(status: Mapping[str, Any], *, kind: str = "ExecCredential", version: str = V1) -> str:
    """Return a command that prints a credential."""
    return f"echo '{json.dumps({'kind': kind, 'apiVersion': version, 'status': status})}'"
