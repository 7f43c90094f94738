"""How each proxy is started with the very files that the documentation shows, its addresses replaced."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.drivers.peers import find_peer
from common.repository import ROOT
from controlplane.ports import free_ports
from controlplane.processes import Process
from proxies.ingress_nginx import write_configuration

DOCS: Final = ROOT / "docs" / "guides" / "proxies"

# The addresses that the files are written with.
PROXY, SERVICE = "127.0.0.1:8000", "127.0.0.1:9000"
FORWARD_AUTH, FORWARD_AUTH_2 = "127.0.0.1:8080", "127.0.0.1:8180"
EXT_AUTHZ, EXT_AUTHZ_GRPC = "127.0.0.1:8081", "127.0.0.1:8082"

Addresses = Mapping[str, int]
"""Which port stands for each of the addresses in this run."""


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs."""

    process: Process
    port: int


@dataclass(frozen=True)
class Client:
    """How to run one: *command* gets its directory, which holds copies of its files.

    Attributes:
        name: as people call it.
        folder: of its files, below docs/guides/proxies.
        prepare: writes files that are made of those in the directory, before addresses are replaced.
    """

    name: str
    folder: str
    command: Callable[[Path], list[str | Path]]
    prepare: Callable[[Path], None] = lambda _home: None

    def start(self, directory: Path, addresses: Addresses, without: Sequence[str] = ()) -> Proxy:
        """Start it, with files that lack the lines *without*; it may take a moment until it answers."""
        (port,) = free_ports(1)
        home = directory / self.name
        shutil.copytree(DOCS / self.folder, home)
        self.prepare(home)
        for file in home.iterdir():
            text = _replaced(file.read_text(), {**addresses, PROXY: port})
            for line in without:
                text = text.replace(line, "")
            file.write_text(text)
        environment = {"HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
        process = Process(
            self.name, self.command(home), log=home / "log", environment=environment, directory=home
        )
        return Proxy(process, port)


def _replaced(text: str, addresses: Addresses) -> str:
    """Put ports in the place of the well-known addresses, in the three ways in which they are written."""
    # In two steps, since a port of this run may be one of the well-known ones.
    for number, address in enumerate(addresses):
        host, _, known = address.partition(":")
        text = text.replace(address, f"{host}:\0{number}\0")
        text = text.replace(f"port_value: {known}}}", f"port_value: \0{number}\0}}")
        text = text.replace(f"http://:{known} ", f"http://:\0{number}\0 ")
    for number, port in enumerate(addresses.values()):
        text = text.replace(f"\0{number}\0", str(port))
    return text


def nginx(home: Path, servers: str = "") -> list[str | Path]:
    """Write what surrounds docs/guides/proxies/nginx, with other *servers* in it; return the command."""
    temporary = "".join(
        f"{kind}_temp_path {home}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Started by root, its worker would run as `nobody`, which cannot enter this directory.
    user = "user root;" if os.geteuid() == 0 else ""
    main = home / "main.conf"
    main.write_text(
        f"daemon off; {user} worker_processes 1; pid {home}/pid; events {{}} "
        f"http {{ access_log off; {temporary} {servers} include {home}/servicetokens.conf; }}"
    )
    return [find_peer("nginx"), "-c", main, "-p", home, "-e", "stderr"]


def _traefik(home: Path) -> list[str | Path]:
    return [find_peer("traefik"), f"--configFile={home}/traefik.yml"]


def _caddy(home: Path) -> list[str | Path]:
    return [find_peer("caddy"), "run", "--config", home / "Caddyfile", "--adapter", "caddyfile"]


def _haproxy(home: Path) -> list[str | Path]:
    return [find_peer("haproxy"), "-f", home / "haproxy.cfg", "-db"]


def _envoy(file: str) -> Callable[[Path], list[str | Path]]:
    def command(home: Path) -> list[str | Path]:
        """Run it with that file."""
        return [
            find_peer("envoy"),
            "-c",
            home / file,
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "-l",
            "warning",
        ]

    return command


CLIENTS: Final = (
    Client("nginx", "nginx", nginx),
    Client("ingress-nginx", "ingress-nginx", nginx, write_configuration),
    Client("Traefik", "traefik", _traefik),
    Client("Caddy", "caddy", _caddy),
    Client("HAProxy", "haproxy", _haproxy),
    Client("Envoy, HTTP", "envoy", _envoy("envoy-http.yaml")),
    Client("Envoy, gRPC", "envoy", _envoy("envoy-grpc.yaml")),
)
