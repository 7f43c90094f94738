"""Real clients of RFC 7662: Apache's mod_auth_openidc, and two libraries for Node."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from common.builders.stored import StoredToken, store_account, store_role, store_token
from common.drivers.validating import RunningValidator
from common.drivers.world import World
from common.repository import ROOT
from controlplane.ports import LOOPBACK, free_ports
from controlplane.processes import Process
from controlplane.waiting import patient
from proxies.backend import Backend
from proxies.cases import UNKNOWN
from proxies.clients import DOCS
from proxies.conftest import Tokens
from proxies.observing import Seen, send

CACHE: Final = ROOT / ".venv" / "peers"
NODE: Final = Path(__file__).parent / "node"
PACKAGES: Final = (
    *("apache2-bin", "libapache2-mod-auth-openidc"),
    *("libapr1", "libaprutil1", "libcjose0", "libhiredis0.14", "libjansson4"),
)
MODULES: Final = ("authn_core", "authz_core", "authz_user", "headers", "mpm_event", "proxy", "proxy_http")
SECONDS: Final = 300


@pytest.fixture(scope="module")
def caller(world: World, running: RunningValidator) -> StoredToken:
    """The token of `gateway/gateway`, which may introspect."""
    world.cluster.create_namespace("gateway")
    permission = ["servicetokens:introspect"]
    store_role(world.client, "introspector", permissions=permission, allowedNamespaces=["gateway"])
    uid = store_account(world.client, "gateway", "gateway", roles=["introspector"])
    token = store_token(world.client, "gateway", "gateway", account="gateway", account_uid=uid)
    header = {"Authorization": f"Bearer {token.text}"}
    world.until(lambda: running.introspect("token=x", **header).status == 200, "the caller to be known")
    return token


# Node.


@pytest.mark.timeout(SECONDS)
@pytest.mark.skipif(shutil.which("npm") is None, reason="Node is not installed here")
def test_two_libraries_for_node_understand_the_answers(
    world: World, running: RunningValidator, tokens: Tokens, caller: StoredToken
) -> None:
    """They find the endpoint by its metadata, authenticate by Basic, and are strict about JSON and its type."""
    home = CACHE / "node"
    home.mkdir(parents=True, exist_ok=True)
    for file in NODE.iterdir():
        shutil.copy(file, home)
    subprocess.run(
        ["npm", "ci", "--silent", "--ignore-scripts", "--no-audit"],
        cwd=home,
        check=True,
        timeout=patient(SECONDS),
    )
    issuer = f"https://{LOOPBACK}:{running.ports.introspection}"
    asked = [tokens.good.text, tokens.revoked.text, UNKNOWN]
    ended = subprocess.run(
        ["node", "introspect.mjs", issuer, "gateway/gateway", caller.text, *asked],
        cwd=home,
        env=os.environ | {"NODE_EXTRA_CA_CERTS": str(world.cluster.files.authority.certificate)},
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    for library in ("oauth4webapi", "openid-client"):
        good, *bad = [answer[library] for answer in answers]
        assert (good["active"], good["client_id"]) == (True, f"{tokens.good.namespace}/ci")
        assert isinstance(good["exp"], int)
        assert bad == [{"active": False}] * 2


# Apache.


@pytest.fixture(scope="module")
def open_directory() -> Iterator[Path]:
    """A directory that everyone may enter: started by root, Apache runs as `nobody`."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="module")
def apache(
    world: World,
    running: RunningValidator,
    caller: StoredToken,
    tmp_path_factory: pytest.TempPathFactory,
    open_directory: Path,
) -> Iterator[int]:
    """Apache with the file of its page; returns its port."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip("Apache and its module are taken from Debian's packages, and this is no Debian")
    root = _unpacked()
    home = tmp_path_factory.mktemp("apache")
    (port,) = free_ports(1)
    with Backend() as service:
        page = (DOCS / "apache" / "httpd.conf").read_text()
        for address, known in (
            ("127.0.0.1:8000", port),
            ("127.0.0.1:8444", running.ports.introspection),
            ("127.0.0.1:9000", service.port),
        ):
            page = page.replace(address, f"{LOOPBACK}:{known}")
        page = page.replace("Listen 127.0.0.1", f"Listen {LOOPBACK}")
        (home / "httpd.conf").write_text(_main(root, home) + page)
        command: list[str | Path] = [root / "usr/sbin/apache2", "-f", home / "httpd.conf", "-D", "FOREGROUND"]
        environment = {
            "LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu"),
            "SERVICETOKENS_TOKEN": caller.text,
            "SERVICETOKENS_CA_FILE": str(
                shutil.copy(world.cluster.files.authority.certificate, open_directory)
            ),
        }
        with Process("apache", command, log=home / "log", environment=environment) as process:

            def answers() -> bool:
                process.raise_if_ended()
                try:
                    return send(port, "/").status == 401
                except OSError:
                    return False

            world.until(answers, "Apache to answer", timeout=20)
            yield port


def _unpacked() -> Path:
    """Return the root of Debian's packages, unpacked once."""
    home = CACHE / "debian"
    root = home / "root"
    if not root.exists():
        home.mkdir(parents=True, exist_ok=True)
        # As root, apt would rather fetch as _apt, who may not write here.
        options = ("-o", "APT::Sandbox::User=root")
        subprocess.run(
            ["apt-get", "download", "-q", *options, *PACKAGES],
            cwd=home,
            check=True,
            timeout=SECONDS,
            stdout=subprocess.DEVNULL,
        )
        half = home / "half"
        for package in home.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, half], check=True, timeout=patient(60))
        half.rename(root)
    return root


def _main(root: Path, home: Path) -> str:
    """What every installation has: where things are, and which modules are loaded."""
    lines = [f"ServerRoot {home}", "ServerName localhost", f"PidFile {home}/pid", f"ErrorLog {home}/errors"]
    lines += [f"LoadModule {name}_module {root}/usr/lib/apache2/modules/mod_{name}.so" for name in MODULES]
    lines += [f"LoadModule auth_openidc_module {root}/usr/lib/apache2/modules/mod_auth_openidc.so"]
    if os.geteuid() == 0:
        lines += ["User nobody", "Group nogroup"]
    return "\n".join([*lines, ""])


@pytest.mark.timeout(SECONDS)
def test_apache_lets_those_in_whose_token_is_active(apache: int, tokens: Tokens) -> None:
    """The service learns who is calling from Remote-User; the token, and headers of ours, do not reach it."""
    seen = _ask(apache, tokens.good.text, ("X-ServiceToken-Roles", "admin"))
    assert str(seen) == "200, passed"
    assert seen.values("remote-user") == [f"servicetoken:{tokens.good.namespace}:ci"]
    assert seen.values("authorization") == []
    assert seen.values("x-servicetoken-roles") == []


@pytest.mark.timeout(SECONDS)
def test_apache_rejects_all_others(
    world: World, apache: int, tokens: Tokens, running: RunningValidator
) -> None:
    """Unknown, revoked a moment ago, and without a token at all."""
    fresh = store_token(
        world.client,
        tokens.good.namespace,
        "fresh",
        account="ci",
        account_uid=tokens.good.account_uid,
        roles=["member"],
    )
    world.until(lambda: _ask(apache, fresh.text).reached is not None, "the token to pass")
    fresh.change(state="Revoked")
    world.until(lambda: running.forward(fresh.text).status == 401, "the revocation")
    for text in (fresh.text, UNKNOWN, tokens.revoked.text):
        refused = _ask(apache, text)
        assert (refused.status, refused.reached) == (401, None)
    assert send(apache, "/").status == 401


def _ask(port: int, token: str, *headers: tuple[str, str]) -> Seen:
    return send(port, "/", (("Authorization", f"Bearer {token}"), *headers))
