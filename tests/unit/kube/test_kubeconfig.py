"""Kubeconfigs as people have them: every field that authenticates or secures is honoured, or rejected by its name."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from common.builders.kubeconfigs import V1, ask, rejection, trusting, write
from common.fakes.front import Front, proxy
from controlplane.certificates import CertificateAuthority
from controlplane.ports import LOOPBACK, free_ports
from servicetokens.kube.access import find_source
from servicetokens.kube.client import Api
from servicetokens.kube.credentials import Impersonation
from servicetokens.kube.entries import ClusterEntry, UserEntry
from servicetokens.kube.errors import ApiUnavailable

# Everything here is true of both ways of asking.
pytestmark = pytest.mark.usefixtures("door")

# The fields of `users[].user` and `clusters[].cluster` in client-go's types (api/v1/types.go), which this must know.
USER_FIELDS = {
    *("client-certificate", "client-certificate-data", "client-key", "client-key-data", "token", "tokenFile"),
    *("as", "as-uid", "as-groups", "as-user-extra", "username", "password", "auth-provider", "exec"),
}
CLUSTER_FIELDS = {
    *("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority"),
    *("certificate-authority-data", "proxy-url", "disable-compression"),
}


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
    """Field by field, as kubectl merges them; groups without a user are rejected."""
    file = write(tmp_path / "config", trusting(front, authority), {"as": "alice", "as-groups": ["a"]})
    await ask(file, impersonation=Impersonation(user="bob"))
    assert front.header("Impersonate-User") == ["bob"]
    assert front.header("Impersonate-Group") == ["a"]
    plain = write(tmp_path / "plain", trusting(front, authority))
    assert "need --as" in await rejection(plain, impersonation=Impersonation(groups=("admins",)))
    assert "line break" in await rejection(plain, impersonation=Impersonation(user="a\r\nX: y"))
    assert "control character" in await rejection(plain, impersonation=Impersonation(user="a\x1b[31m"))
    orphan = write(tmp_path / "orphan", trusting(front, authority), {"as-groups": ["a"]})
    assert "no user in `as`" in await rejection(orphan)
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
    assert "exclude each other" in await rejection(write(tmp_path / "config", both))
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
    """`HTTPS_PROXY` with user and password; never for an address of this machine; a rejection is reported in words."""
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
    said = await rejection(socks)
    assert "proxy-url names a SOCKS proxy (socks5://127.0.0.1:1080), which is not supported" in said
    plain = write(tmp_path / "config", cluster)
    assert "HTTPS_PROXY names a SOCKS proxy" in await rejection(
        plain, environment={"HTTPS_PROXY": "socks5://x:1"}
    )
    assert "must be the URL of an HTTP proxy" in await rejection(
        plain, environment={"HTTPS_PROXY": "ftp://x"}
    )


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
        ({"token": 12345}, "user 'u': token must be text, not a number: put it in quotes"),
        ({"pasword": "p"}, "user 'u': the field 'pasword' is not known here: correct its name, or remove it"),
        ({"as-groups": "admins"}, "as-groups must be a list, not text"),
        ({"exec": {"apiVersion": V1}}, "exec.command is missing"),
        ({"exec": {"apiVersion": V1, "command": ""}}, "exec.command is empty"),
        ({"exec": {"apiVersion": "", "command": "x"}}, "exec.apiVersion is empty"),
        (
            {"exec": {"apiVersion": V1, "command": "x", "args": [7]}},
            "exec.args[0] must be text, not a number",
        ),
        ({"exec": {"apiVersion": V1, "command": "x", "args": ["a\0"]}}, "must not contain a NUL character"),
        (
            {"exec": {"apiVersion": V1, "command": "x", "env": [{"name": "A=B", "value": "1"}]}},
            "exec.env needs names without '='",
        ),
        (
            {"exec": {"apiVersion": V1, "command": "x", "env": [{}]}},
            "exec.env[0].name is missing",
        ),
    ],
)
async def test_unsupported_fields_are_rejected_by_name(
    tmp_path: Path, user: Mapping[str, Any], said: str
) -> None:
    """An anonymous request instead would be answered, and mislead."""
    assert said in await rejection(write(tmp_path / "config", {"server": "https://127.0.0.1:1"}, user))


async def test_fields_of_a_later_kubectl_are_not_ignored(tmp_path: Path) -> None:
    """Of the cluster, too; every field of today is known."""
    odd = {"server": "https://127.0.0.1:1", "tls-min-version": "1.3"}
    assert "the field 'tls-min-version' is not known here" in await rejection(write(tmp_path / "config", odd))

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
