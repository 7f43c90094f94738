"""Kubeconfigs as people have them: every field that authenticates or secures is honoured, or refused by its name."""

import base64
import contextlib
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.clock import FakeClock
from common.front import Front, api_front, proxy
from controlplane.certificates import CertificateAuthority, KeyPair
from controlplane.ports import LOOPBACK, free_ports
from servicetokens.kube import oneshot
from servicetokens.kube.access import Access, AccessSource, KubeconfigSource, find_namespace, find_source
from servicetokens.kube.client import Api
from servicetokens.kube.credentials import Impersonation
from servicetokens.kube.errors import ApiUnavailable, NotConfigured
from servicetokens.kube.oneshot import OneShot

V1 = "client.authentication.k8s.io/v1"
# The fields of `users[].user` and `clusters[].cluster` in client-go's types (api/v1/types.go), which this must know.
USER_FIELDS = {
    *("client-certificate", "client-certificate-data", "client-key", "client-key-data", "token", "tokenFile"),
    *("as", "as-uid", "as-groups", "as-user-extra", "username", "password", "auth-provider", "exec"),
}
CLUSTER_FIELDS = {
    *("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority"),
    *("certificate-authority-data", "proxy-url", "disable-compression"),
}


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    """Signs the certificates of the server and of clients."""
    return CertificateAuthority(tmp_path / "ca")


@pytest.fixture
def pair(authority: CertificateAuthority) -> KeyPair:
    """The server's certificate, for `kubernetes` only: no address fits."""
    return authority.server("server", ["kubernetes"])


@pytest.fixture
async def front(pair: KeyPair, authority: CertificateAuthority) -> AsyncIterator[Front]:
    """A server that writes down who asks."""
    async with api_front(pair, str(authority.certificate)) as front:
        yield front


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


@pytest.fixture(params=DOORS, autouse=True)
def _door(request: pytest.FixtureRequest) -> None:
    """Everything here is true of both."""
    used[:] = [DOORS[request.param]]


async def ask(file: Path, *, environment: Mapping[str, str] | None = None, **options: Any) -> None:
    """Send one request by the kubeconfig *file*."""
    source = find_source(str(file), environment or {}, **options)
    async with used[0](source, await source.load()) as api:
        await api.request("GET", "/version")


async def refusal(file: Path, **options: Any) -> str:
    """Return the sentence by which a kubeconfig is refused before anything is sent."""
    with pytest.raises(NotConfigured) as caught:
        await ask(file, **options)
    said = str(caught.value)
    assert "\n" not in said
    assert "Error" not in said
    return said


async def test_impersonation_is_sent(tmp_path: Path, front: Front, authority: CertificateAuthority) -> None:
    """User, uid, groups and extra; dropping it would act as the administrator whose credentials these are."""
    user = {
        "token": "t",
        "as": "alice",
        "as-uid": "u-1",
        "as-groups": ["a", "b"],
        "as-user-extra": {"example.com/x y": ["1", "2"]},
    }
    await ask(write(tmp_path / "config", trusting(front, authority), user))
    assert front.header("Authorization") == ["Bearer t"]
    assert front.header("Impersonate-User") == ["alice"]
    assert front.header("Impersonate-Uid") == ["u-1"]
    assert front.header("Impersonate-Group") == ["a", "b"]
    assert front.header("Impersonate-Extra-example.com%2Fx%20y") == ["1", "2"]


async def test_options_for_impersonation_win_over_the_file(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """Field by field, as kubectl merges them; groups without a user are refused."""
    file = write(tmp_path / "config", trusting(front, authority), {"as": "alice", "as-groups": ["a"]})
    await ask(file, impersonation=Impersonation(user="bob"))
    assert front.header("Impersonate-User") == ["bob"]
    assert front.header("Impersonate-Group") == ["a"]
    plain = write(tmp_path / "plain", trusting(front, authority))
    assert "need --as" in await refusal(plain, impersonation=Impersonation(groups=("admins",)))
    assert "line break" in await refusal(plain, impersonation=Impersonation(user="a\r\nX: y"))
    orphan = write(tmp_path / "orphan", trusting(front, authority), {"as-groups": ["a"]})
    assert "without as" in await refusal(orphan)
    assert len(front.asked) == 1


async def test_every_way_to_log_in_is_honoured(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """Token, token file, password, client certificate as file and as data: the server sees each of them."""
    (tmp_path / "token").write_text("from-file\n")
    client = authority.client("alice")
    data = {
        f"client-{name}-data": base64.b64encode(path.read_bytes()).decode()
        for name, path in (("certificate", client.certificate), ("key", client.key))
    }
    files = {"client-certificate": str(client.certificate), "client-key": str(client.key)}
    cluster = trusting(front, authority)
    for user, authorization, is_certified in (
        ({"token": "t"}, ["Bearer t"], False),
        ({"tokenFile": "token"}, ["Bearer from-file"], False),
        ({"token": "old", "tokenFile": "token"}, ["Bearer from-file"], False),
        ({"username": "me", "password": "p:w"}, ["Basic " + base64.b64encode(b"me:p:w").decode()], False),
        (files, [], True),
        (data, [], True),
        ({**data, "token": "t"}, ["Bearer t"], True),
    ):
        await ask(write(tmp_path / "config", cluster, user))
        assert front.header("Authorization") == authorization, user
        assert bool(front.certificates[-1]) is is_certified, user


async def test_the_server_is_trusted_as_the_file_says(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """By authority (file or data) and name; without them only when it is said aloud, and never by both."""
    server = {"server": f"https://{LOOPBACK}:{front.port}"}
    data = base64.b64encode(authority.certificate.read_bytes()).decode()
    name = {"tls-server-name": "kubernetes"}
    await ask(write(tmp_path / "config", {**server, **name, "certificate-authority-data": data}))
    await ask(write(tmp_path / "config", {**server, "insecure-skip-tls-verify": True}))
    sent = len(front.asked)
    for cluster in ({**server, **name}, {**server, "certificate-authority-data": data}):
        with pytest.raises(ApiUnavailable, match="its certificate is not trusted: ") as caught:
            await ask(write(tmp_path / "config", cluster))
        assert not caught.value.may_have_been_applied
    both = {**server, "insecure-skip-tls-verify": True, "certificate-authority-data": data}
    assert "exclude each other" in await refusal(write(tmp_path / "config", both))
    assert len(front.asked) == sent


@pytest.mark.parametrize("kind", ["request", "open_session"])
async def test_the_name_of_the_server_holds_for_watches_and_behind_a_proxy(
    tmp_path: Path, front: Front, authority: CertificateAuthority, kind: str
) -> None:
    """`tls-server-name` and impersonation reach the session of the watching library as they reach requests."""
    async with proxy() as between:
        cluster = trusting(front, authority, **{"proxy-url": f"http://{LOOPBACK}:{between.port}"})
        source = find_source(str(write(tmp_path / "config", cluster, {"token": "t", "as": "alice"})), {})
        async with Api(source, await source.load()) as api:
            if kind == "request":
                await api.request("GET", "/version")
            else:
                server, session = await api.open_session()
                async with session, session.get(f"{server}/version") as answer:
                    assert answer.status == 200
        assert between.asked[0][0] == f"CONNECT {LOOPBACK}:{front.port} HTTP/1.1"
    assert front.header("Impersonate-User") == ["alice"]


async def test_the_environment_names_a_proxy(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """`HTTPS_PROXY` with user and password; never for an address of this machine; a refusal is told in words."""
    async with proxy() as between, proxy(status="407 Proxy Authentication Required") as strict:
        cluster = trusting(front, authority)
        direct = {"HTTPS_PROXY": f"http://{LOOPBACK}:{between.port}"}
        await ask(write(tmp_path / "config", cluster), environment=direct)
        assert not between.asked
        elsewhere = {**cluster, "server": f"https://kubernetes.example:{front.port}"}
        file = write(tmp_path / "config", elsewhere)
        await ask(file, environment={"https_proxy": f"http://me:secret@{LOOPBACK}:{between.port}"})
        assert between.asked[0][0] == f"CONNECT kubernetes.example:{front.port} HTTP/1.1"
        assert between.header("Proxy-Authorization") == ["Basic " + base64.b64encode(b"me:secret").decode()]
        with pytest.raises(ApiUnavailable, match=r"through the proxy .* answered 407 Proxy Auth") as caught:
            await ask(file, environment={"HTTPS_PROXY": f"http://me:secret@{LOOPBACK}:{strict.port}"})
        assert "secret" not in str(caught.value)
    with pytest.raises(ApiUnavailable, match=r"through the proxy .*: Connection refused"):
        await ask(file, environment={"HTTPS_PROXY": f"http://{LOOPBACK}:{free_ports(1)[0]}"})


async def test_a_proxy_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, authority: CertificateAuthority
) -> None:
    """SOCKS is named, and no password is repeated."""
    cluster = {"server": "https://example.com"}
    socks = write(tmp_path / "config", {**cluster, "proxy-url": "socks5://me:secret@127.0.0.1:1080"})
    said = await refusal(socks)
    assert "proxy-url names a SOCKS proxy (socks5://127.0.0.1:1080), which is not supported" in said
    plain = write(tmp_path / "config", cluster)
    assert "HTTPS_PROXY names a SOCKS proxy" in await refusal(
        plain, environment={"HTTPS_PROXY": "socks5://x:1"}
    )
    assert "must be the URL of an HTTP proxy" in await refusal(plain, environment={"HTTPS_PROXY": "ftp://x"})


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"auth-provider": {"name": "gcp"}}, "auth-provider 'gcp' is not supported"),
        (
            {"auth-provider": {"name": "oidc", "config": {"id-token": "a.e30.c"}}},
            "has expired: run any kubectl",
        ),
        ({"token": "t", "password": "p"}, "a token and a password"),
        ({"client-certificate": "a"}, "but not both"),
        ({"client-certificate-data": "!", "client-key-data": "!"}, "client-certificate-data is not base64"),
        ({"client-certificate-data": "YQ==", "client-key-data": "YQ=="}, "are not PEM"),
        ({"tokenFile": "missing"}, "missing cannot be read: No such file"),
        ({"client-certificate": "missing", "client-key": "missing"}, "missing cannot be read: No such file"),
        ({"exec": {"apiVersion": V1, "command": "x"}, "auth-provider": {"name": "y"}}, "only one is allowed"),
        ({"token": 12345}, "Expected `str`, got `int` - at `$.token`"),
        ({"pasword": "p"}, "unknown field `pasword`"),
    ],
)
async def test_what_is_not_honoured_is_refused_by_name(
    tmp_path: Path, user: Mapping[str, Any], said: str
) -> None:
    """An anonymous request instead would be answered, and mislead."""
    assert said in await refusal(write(tmp_path / "config", {"server": "https://127.0.0.1:1"}, user))


async def test_fields_of_a_later_kubectl_are_not_ignored(tmp_path: Path) -> None:
    """Of the cluster, too; every field of today is known."""
    odd = {"server": "https://127.0.0.1:1", "tls-min-version": "1.3"}
    assert "unknown field `tls-min-version`" in await refusal(write(tmp_path / "config", odd))
    from servicetokens.kube.kubeconfig import ClusterEntry, UserEntry  # noqa: PLC0415 - what is under test

    assert set(UserEntry.__struct_encode_fields__) >= USER_FIELDS
    assert set(ClusterEntry.__struct_encode_fields__) >= CLUSTER_FIELDS


async def test_an_oidc_token_is_used_while_it_lasts(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """Kubectl renews it in the file."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 4_000_000_000}).encode()).decode().rstrip("=")
    provider = {"name": "oidc", "config": {"id-token": f"a.{claims}.c", "refresh-token": "r"}}
    await ask(write(tmp_path / "config", trusting(front, authority), {"auth-provider": provider}))
    assert front.header("Authorization") == [f"Bearer a.{claims}.c"]


# ------------------------------------------------------------------------------------------------- exec plugins


def helper(folder: Path, body: str) -> str:
    """Write a program beside the kubeconfig and return its name as people write it."""
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


async def test_an_exec_plugin_gives_a_token(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """Relative to the kubeconfig, with arguments, variables and what kubectl tells it of the cluster."""
    body = 'echo "$KUBERNETES_EXEC_INFO" > "$1"; ' + printed({"token": "TOKEN"}).replace("TOKEN", "'$REGION'")
    entry = plugin(
        helper(tmp_path / "home", body),
        args=[str(tmp_path / "info")],
        env=[{"name": "REGION", "value": "eu"}],
        provideClusterInfo=True,
    )
    await ask(write(tmp_path / "home" / "config", trusting(front, authority), entry))
    assert front.header("Authorization") == ["Bearer eu"]
    info = json.loads((tmp_path / "info").read_text())
    assert info["spec"]["interactive"] is False
    assert info["spec"]["cluster"]["tls-server-name"] == "kubernetes"
    assert base64.b64decode(info["spec"]["cluster"]["certificate-authority-data"]).startswith(b"-----BEGIN")


async def test_an_exec_plugin_gives_a_client_certificate(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """It is shown to the server."""
    client = authority.client("alice")
    status = {
        "clientCertificateData": client.certificate.read_text(),
        "clientKeyData": client.key.read_text(),
    }
    (tmp_path / "answer").write_text(
        json.dumps({"kind": "ExecCredential", "apiVersion": V1, "status": status})
    )
    entry = plugin(helper(tmp_path, 'cat "$1"'), args=[str(tmp_path / "answer")])
    await ask(write(tmp_path / "config", trusting(front, authority), entry))
    assert front.certificates[-1]


async def test_a_credential_of_a_plugin_is_renewed_before_it_ends(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """Not only once it is refused."""
    clock = FakeClock()
    from servicetokens.api.values import format_time  # noqa: PLC0415 - used here only

    entry = plugin(
        helper(tmp_path, printed({"token": "t", "expirationTimestamp": format_time(clock.now() + 100)}))
    )
    source = KubeconfigSource([write(tmp_path / "config", trusting(front, authority), entry)], clock=clock)
    await source.load()
    assert source.max_age == 90


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo 'please run: cloud login' >&2; exit 1", "failed with exit code 1: please run: cloud login"),
        ("echo '{}'", "other than an ExecCredential"),
        ("echo hunter2", "not an ExecCredential in JSON"),
        (
            printed({"token": "t"}, version="client.authentication.k8s.io/v1beta1"),
            "other than an ExecCredential",
        ),
        (printed({}), "without a token and without a client certificate"),
        (printed({"clientKeyData": "k"}), "but not both"),
        (printed({"token": "t", "expirationTimestamp": "soon"}), "expirationTimestamp that is not a time"),
    ],
)
async def test_an_exec_plugin_that_fails_sends_nothing(
    tmp_path: Path, front: Front, authority: CertificateAuthority, body: str, said: str
) -> None:
    """Its own words are told, what it printed is not, and no anonymous request is made."""
    file = write(tmp_path / "config", trusting(front, authority), plugin(helper(tmp_path, body)))
    refused = await refusal(file)
    assert said in refused
    assert "hunter2" not in refused
    assert not front.asked


async def test_a_missing_exec_plugin_shows_its_hint(tmp_path: Path) -> None:
    """A bare word is looked up on the path, and not in the folder."""
    helper(tmp_path, "exit 0")
    cluster = {"server": "https://127.0.0.1:1"}
    entry = plugin("helper.sh", installHint="brew install helper")
    assert "'helper.sh' does not exist: brew install helper" in await refusal(
        write(tmp_path / "config", cluster, entry)
    )
    always = plugin("./helper.sh", interactiveMode="Always")
    with contextlib.ExitStack() as stack:
        stdin = stack.enter_context(open(os.devnull))  # noqa: PTH123, ASYNC230 - what the test is given may be a terminal
        stack.callback(setattr, sys, "stdin", sys.stdin)
        sys.stdin = stdin
        assert "there is no terminal" in await refusal(write(tmp_path / "config", cluster, always))
    for odd, said in (
        (plugin("./helper.sh", interactiveMode="Sometimes"), "interactiveMode must be"),
        (plugin("./helper.sh", apiVersion="client.authentication.k8s.io/v1alpha1"), "is not supported"),
    ):
        assert said in await refusal(write(tmp_path / "config", cluster, odd))


# ------------------------------------------------------------------------------------------------- several files


async def test_files_are_merged_as_kubectl_merges_them(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """The first file that has a name wins, missing ones are skipped, and paths are relative to their own file."""
    client = authority.client("alice")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "ca.pem").write_bytes(authority.certificate.read_bytes())
    cluster = {**trusting(front, authority), "certificate-authority": "ca.pem"}
    write(tmp_path / "one" / "config", cluster, {"token": "first"}, namespace="team-a")
    write(tmp_path / "two" / "config", {"server": "https://x"}, {"token": "second"}, namespace="team-b")
    listed = {"KUBECONFIG": f"{tmp_path}/none:{tmp_path}/one/config::{tmp_path}/two/config"}
    source = find_source(None, listed)
    async with Api(source, await source.load()) as api:
        await api.request("GET", "/version")
    assert front.header("Authorization") == ["Bearer first"]
    assert find_namespace(None, None, listed) == "team-a"
    assert client.certificate.exists()
    with pytest.raises(NotConfigured, match="does not exist"):
        await find_source(f"{tmp_path}/one/config:{tmp_path}/two/config", {}).load()


async def test_a_context_that_does_not_fit_is_named(tmp_path: Path) -> None:
    """With those that exist."""
    file = write(tmp_path / "config", {"server": "https://x"})
    assert "there is no context 'nope' (it has it)" in await refusal(file, context="nope")
    missing = write(tmp_path / "config", {"server": "https://x"}, cluster="other")
    assert "there is no cluster 'other' (it has c)" in await refusal(missing)
    assert "has no server" in await refusal(write(tmp_path / "config", {}))
    odd = write(tmp_path / "config", {"server": "ftp://x"})
    assert "not an http:// or https:// URL" in await refusal(odd)
    assert "names no cluster" in await refusal(write(tmp_path / "config", {}, cluster=""))
