"""Writes kubeconfig files, the format of clients' settings and of the API server's own for its webhooks."""

import json
from pathlib import Path

from controlplane.certificates import KeyPair


def write_kubeconfig(
    path: Path,
    *,
    server: str,
    certificate_authority: Path,
    client: KeyPair | None = None,
    token: str | None = None,
) -> Path:
    """Write a kubeconfig with one context, readable by the current user only, and return its path.

    JSON, which is YAML too: kubectl and the client libraries read it. Certificates are named, not embedded.
    """
    user: dict[str, str] = {}
    if client is not None:
        user |= {"client-certificate": str(client.certificate), "client-key": str(client.key)}
    if token is not None:
        user |= {"token": token}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "cluster",
                "cluster": {"server": server, "certificate-authority": str(certificate_authority)},
            }
        ],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user"}}],
        "current-context": "context",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    return path
