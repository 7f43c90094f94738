"""One kubeconfig for kubectl and for the plugin, and what a server was asked by each of them."""

import asyncio
import base64
import contextlib
import json
import os
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from common.drivers.plugin import PROGRAMS
from common.fakes.front import Front, api_front, proxy
from controlplane.certificates import CertificateAuthority
from controlplane.ports import LOOPBACK
from controlplane.waiting import patient

V1: Final = "client.authentication.k8s.io/v1"
_LISTED: Final = "/servicetokens"
_SECONDS: Final = 60.0
# What depends on the program that asks, and not on the user or the server.
_OF_THE_PROGRAM: Final = frozenset(
    {"accept", "accept-encoding", "user-agent", "connection", "kubectl-command", "kubectl-session"}
)
_ANSWERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": "servicetokens.dev",
                "versions": [{"groupVersion": "servicetokens.dev/v1beta1", "version": "v1beta1"}],
                "preferredVersion": {"groupVersion": "servicetokens.dev/v1beta1", "version": "v1beta1"},
            }
        ],
    },
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis/servicetokens.dev/v1beta1": {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "servicetokens.dev/v1beta1",
        "resources": [
            {
                "name": "servicetokens",
                "singularName": "servicetoken",
                "namespaced": True,
                "kind": "ServiceToken",
                "verbs": ["get", "list"],
            }
        ],
    },
}
_EMPTY: Final = {
    "kind": "ServiceTokenList",
    "apiVersion": "servicetokens.dev/v1beta1",
    "metadata": {"resourceVersion": "1"},
    "items": [],
}


@dataclass(frozen=True)
class Case:
    """One way of asking for the tokens.

    In texts, `{folder}` is where the kubeconfig is, `{api}`, `{plain}` and `{proxy}` are the addresses (host and port)
    of the server over TLS, of the one without, and of a proxy.

    *cluster*, *user* and *context* are merged into the first cluster, user and context; *files* are written next to
    it (`*.sh` can be executed), *options* go on the command line, *environment* has more variables.
    """

    said: str = ""
    cluster: Mapping[str, Any] = field(default_factory=dict)
    user: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    top: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """How a program ended, and the last request for tokens: to which server, how, and as which user."""

    succeeded: bool
    request: str
    headers: Sequence[tuple[str, str]]
    certificate: str
    name: str | None
    through: str
    said: str = field(compare=False)
    code: int = field(compare=False)


@dataclass
class Scene:
    """A folder with a kubeconfig, servers that write down who asks, and a proxy to them."""

    folder: Path
    authority: CertificateAuthority
    binaries: Path
    api: Front
    plain: Front
    proxy: Front

    async def ask(self, case: Case, *, by: str) -> Asked:
        """Ask for the tokens *by* `kubectl` or `servicetoken`, and return what came of it."""
        self._write(case)
        for front in (self.api, self.plain, self.proxy):
            front.asked.clear()
            front.certificates.clear()
            front.names.clear()
        home = self.folder / f"home-{by}"
        environment = {
            **{key: value for key, value in os.environ.items() if key.startswith("COVERAGE_")},
            "PATH": f"{PROGRAMS}:{self.binaries}:{self.folder / 'bin'}:{os.defpath}",
            "HOME": str(home),
            "KUBECONFIG": str(self.folder / "config"),
            "WHO": by,
            **{key: self._filled(value) for key, value in case.environment.items()},
        }
        command = ["get", "servicetokens"] if by == "kubectl" else ["servicetoken", "get"]
        process = await asyncio.create_subprocess_exec(
            self.binaries / "kubectl",
            *command,
            *(self._filled(one) for one in case.options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            cwd=self.folder / "elsewhere",
        )
        async with asyncio.timeout(patient(_SECONDS)):
            said, _ = await process.communicate()
        assert process.returncode is not None
        return self._seen(process.returncode, said.decode())

    def _seen(self, code: int, said: str) -> Asked:
        for front in (self.api, self.plain):
            for at in range(len(front.asked) - 1, -1, -1):
                line, headers = front.asked[at]
                if _LISTED in line:
                    kept = sorted(
                        (key.lower(), value) for key, value in headers if key.lower() not in _OF_THE_PROGRAM
                    )
                    through = self.proxy.asked[-1] if self.proxy.asked else ("", [])
                    proxied = [value for key, value in through[1] if key.lower() == "proxy-authorization"]
                    return Asked(
                        code == 0,
                        # Other parameters, as in `?limit=500`, differ between the programs.
                        line.partition("?")[0].removesuffix(" HTTP/1.1"),
                        kept,
                        str(front.certificates[at]),
                        front.names[-1] if front.names else None,
                        f"{through[0]} {' '.join(proxied)}".strip(),
                        said,
                        code,
                    )
        asked = [line for front in (self.api, self.plain) for line, _ in front.asked]
        return Asked(code == 0, f"nothing but {asked}" if asked else "", (), "", None, "", said, code)

    def _write(self, case: Case) -> None:
        (self.folder / "elsewhere").mkdir(exist_ok=True)
        one = {
            "server": "https://{api}/one",
            "certificate-authority": str(self.authority.certificate),
            "tls-server-name": "kubernetes",
        }
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "a",
            "contexts": [
                {"name": "a", "context": _merged({"cluster": "one", "user": "alice"}, case.context)},
                {"name": "b", "context": {"cluster": "two", "user": "bob", "namespace": "team-b"}},
            ],
            "clusters": [
                {"name": "one", "cluster": _merged(one, case.cluster)},
                {"name": "two", "cluster": {**one, "server": "https://{api}/two"}},
            ],
            "users": [
                {"name": "alice", "user": _merged({"token": "t-alice"}, case.user)},
                {"name": "bob", "user": {"token": "t-bob"}},
            ],
        }
        whole = yaml.safe_dump(_merged(content, case.top), allow_unicode=True)
        self._file("config", whole)
        for name, text in case.files.items():
            self._file(name, text.replace("%CONFIG%", whole))

    def _file(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._filled(text))
        if path.suffix == ".sh" or path.parent.name == "bin":
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def _filled(self, text: str) -> str:
        for mark, front in (("{api}", self.api), ("{plain}", self.plain), ("{proxy}", self.proxy)):
            text = text.replace(mark, f"{LOOPBACK}:{front.port}")
        return text.replace("{folder}", str(self.folder))


def answer(line: str) -> tuple[str, bytes]:
    """Answer as an API server with our CRDs and without any token does."""
    path = line.split()[1].partition("?")[0]
    for prefix in ("/one", "/two"):
        path = path.removeprefix(prefix)
    found = _ANSWERS.get(path) or (_EMPTY if _LISTED in path else None)
    if found is None:
        status = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "none"}
        return "404 Not Found", json.dumps(status).encode()
    return "200 OK", json.dumps(found).encode()


def login(status: Mapping[str, Any], *, version: str = V1) -> str:
    """Return a program that logs in with *status*, and writes what it received into a file next to it."""
    credential = json.dumps({"kind": "ExecCredential", "apiVersion": version, "status": status})
    return f'#!/bin/sh\necho "$KUBERNETES_EXEC_INFO" > "{{folder}}/told-by-$WHO"\necho \'{credential}\'\n'


@contextlib.asynccontextmanager
async def scene(folder: Path, binaries: Path) -> AsyncIterator[Scene]:
    """Run the servers, and the proxy to them."""
    authority = CertificateAuthority(folder / "ca")
    pair = authority.server("server", ["kubernetes"])
    async with (
        api_front(pair, str(authority.certificate), answer=answer) as api,
        api_front(answer=answer) as plain,
        proxy() as between,
    ):
        yield Scene(folder, authority, binaries, api, plain, between)


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return *base* with *more*; None removes."""
    return {key: value for key, value in {**base, **more}.items() if value is not None}


async def compare(beside: Scene, case: Case) -> None:
    """Ask by both programs, and compare what the servers have seen, and whether it went well.

    `%CERT%` and `%KEY%` are a client certificate and its key, `%CA%` is the authority, as base64; their files are
    `ca/alice.pem`, `ca/alice.key` and `ca/servicetokens-test-ca.pem`.
    """
    certificate = beside.authority.client("alice", ["team"], file="alice")
    marks = {
        "%CERT%": _encoded(certificate.certificate),
        "%KEY%": _encoded(certificate.key),
        "%CA%": _encoded(beside.authority.certificate),
    }
    filled = replace(case, cluster=_replaced(case.cluster, marks), user=_replaced(case.user, marks))
    kubectl = await beside.ask(filled, by="kubectl")
    ours = await beside.ask(filled, by="servicetoken")
    assert ours == kubectl, (kubectl.said, ours.said)
    assert ours.succeeded is (not case.said and ours.code == 0)
    assert case.said in ours.said
    assert "Traceback" not in ours.said
    if ours.succeeded:
        assert ours.request


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")


def _replaced(entry: Mapping[str, Any], marks: Mapping[str, str]) -> dict[str, Any]:
    return {key: marks.get(value, value) if isinstance(value, str) else value for key, value in entry.items()}
