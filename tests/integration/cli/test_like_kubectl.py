"""The plugin compared with the real kubectl: both ask the same server as the same user."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from common.drivers.kubectlike import V1, Case, Scene, compare, login
from servicetokens.kube.kubeconfig import without_nulls

OTHER: Final = """
current-context: c
contexts: [{name: c, context: {cluster: one, user: carol, namespace: team-c}}]
users: [{name: carol, user: {token: t-carol}}, {name: alice, user: {token: another}}]
"""
CERTIFICATES: Final = {"client-certificate-data": "%CERT%", "client-key-data": "%KEY%"}
CERTIFICATE_FILES: Final = {"client-certificate": "ca/alice.pem", "client-key": "ca/alice.key"}
NAMED: Final = "https://api.example.invalid:1/one"


def by_exec(command: str, **more: Any) -> dict[str, Any]:
    """Return a user who logs in by *command*."""
    return {
        "token": None,
        "exec": {"apiVersion": V1, "command": command, "interactiveMode": "Never", **more},
    }


LOGIN: Final = {"login.sh": login({"token": "t-exec"})}
SAME: Final[Mapping[str, Case]] = {
    "the namespace of the context": Case(context={"namespace": "team-a"}),
    "several files": Case(files={"o": OTHER}, environment={"KUBECONFIG": "{folder}/o:{folder}/config"}),
    "several files, the other way round": Case(
        files={"o": OTHER}, environment={"KUBECONFIG": "{folder}/config:{folder}/o"}
    ),
    "a missing and an empty file": Case(
        files={"e": ""}, environment={"KUBECONFIG": "{folder}/none:{folder}/e:{folder}/config"}
    ),
    "only a missing file": Case("does not exist", environment={"KUBECONFIG": "{folder}/none"}),
    "an empty file": Case("it names no context", files={"config": ""}),
    "not YAML": Case("it is not YAML, at line 2", files={"config": "a: [\n"}),
    "a byte order mark": Case(files={"config": "\ufeff%CONFIG%"}),
    "another kind of file": Case("it is another kind of file: kind must be Config", top={"kind": "Secret"}),
    "a name twice": Case(
        "users has two entries with the name 'alice'",
        top={"users": [{"name": "alice", "user": {"token": "a"}}, {"name": "alice", "user": {}}]},
    ),
    "a user that does not exist": Case("there is no user 'nope'", context={"user": "nope"}),
    "impersonation": Case(
        user={
            "as": "eve",
            "as-uid": "7",
            "as-groups": ["a", "b"],
            "as-user-extra": {"example.com/X y": ["1", "2"]},
        }
    ),
    "groups without a user": Case("but no user in `as`", user={"as-groups": ["a"]}),
    "a token file": Case(user={"token": None, "tokenFile": "tok"}, files={"tok": "t-file\n"}),
    "a token file wins": Case(user={"tokenFile": "tok"}, files={"tok": "t-file\n"}),
    "a token as long as there is no file": Case(user={"tokenFile": "none"}),
    "no token file": Case("none cannot be read", user={"token": None, "tokenFile": "none"}),
    "a password": Case(user={"token": None, "username": "u", "password": "pä"}),
    "a token and a password": Case("has a token and a password", user={"username": "u", "password": "p"}),
    "a client certificate": Case(user={"token": None, **CERTIFICATES}),
    "files with a client certificate": Case(user={"token": None, **CERTIFICATE_FILES}),
    "a client certificate twice": Case(
        "client-certificate and client-certificate-data exclude each other",
        user={**CERTIFICATES, **CERTIFICATE_FILES},
    ),
    "an authority inline": Case(
        cluster={"certificate-authority": None, "certificate-authority-data": "%CA%"}
    ),
    "an authority twice": Case(
        "certificate-authority and certificate-authority-data exclude each other",
        cluster={"certificate-authority-data": "%CA%"},
    ),
    "an authority that does not exist": Case(
        "none.pem cannot be read", cluster={"certificate-authority": "none.pem"}
    ),
    "another name of the server": Case("", cluster={"tls-server-name": "other"}),
    "a server that is not verified": Case(
        cluster={"certificate-authority": None, "insecure-skip-tls-verify": True, "tls-server-name": "foo"}
    ),
    "an authority that is not to be used": Case(
        "exclude each other", cluster={"insecure-skip-tls-verify": True}
    ),
    "a server without TLS": Case(
        cluster={"server": "{plain}", "certificate-authority": None, "tls-server-name": None},
        user={"as": "eve"},
    ),
    "a server that does not run": Case("cannot be reached", cluster={"server": "https://127.0.0.1:1"}),
    "a proxy": Case(cluster={"proxy-url": "http://u:p%40@{proxy}"}),
    "a proxy from the environment": Case(
        "", cluster={"server": NAMED}, environment={"HTTPS_PROXY": "http://127.0.0.1:1"}
    ),
    "no proxy to this machine": Case(environment={"HTTPS_PROXY": "http://127.0.0.1:1"}),
    "compression": Case(cluster={"disable-compression": True}),
}
EXEC: Final[Mapping[str, Case]] = {
    "relative to the file": Case(user=by_exec("./login.sh"), files=LOGIN),
    "told about the cluster": Case(
        cluster={"extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"a": 1}}]},
        user=by_exec("./login.sh", provideClusterInfo=True),
        files=LOGIN,
    ),
    "on the path": Case(user=by_exec("helper"), files={"bin/helper": LOGIN["login.sh"]}),
    "with arguments": Case(
        user=by_exec("./login.sh", args=["a b"], env=[{"name": "X", "value": "y z"}]),
        files={
            "login.sh": login({"token": "t"}).replace(
                "#!/bin/sh", '#!/bin/sh\n[ "$1$X" = "a by z" ] || exit 9'
            )
        },
    ),
    "beside a token": Case(user={**by_exec("./login.sh"), "token": "t-file"}, files=LOGIN),
    "beside a client certificate": Case(user={**by_exec("./login.sh"), **CERTIFICATES}, files=LOGIN),
    "missing": Case(
        "does not exist: Install it",
        user=by_exec("no-such-helper", installHint="Install it from example.com"),
    ),
    "failing": Case(
        "failed with exit code 3: please log in first",
        user=by_exec("./login.sh"),
        files={"login.sh": "#!/bin/sh\necho 'please log in first' >&2\nexit 3\n"},
    ),
    "printing something else": Case(
        "printed something that is not an ExecCredential",
        user=by_exec("./login.sh"),
        files={"login.sh": "#!/bin/sh\necho hello\n"},
    ),
    "of another version": Case(
        "other than an ExecCredential",
        user=by_exec("./login.sh"),
        files={"login.sh": login({"token": "t"}, version="client.authentication.k8s.io/v1beta1")},
    ),
    "without a mode": Case(
        "interactiveMode must be one of",
        user={"token": None, "exec": {"apiVersion": V1, "command": "./login.sh"}},
        files=LOGIN,
    ),
    "asking questions without a terminal": Case(
        "there is no terminal", user=by_exec("./login.sh", interactiveMode="Always"), files=LOGIN
    ),
    "asking questions if possible": Case(
        user=by_exec("./login.sh", interactiveMode="IfAvailable"), files=LOGIN
    ),
}


@pytest.mark.parametrize("name", SAME)
async def test_a_kubeconfig_means_the_same(beside: Scene, name: str) -> None:
    """With the same server, user, certificate and proxy; what one rejects the other rejects."""
    await compare(beside, SAME[name])


@pytest.mark.parametrize("name", EXEC)
async def test_an_exec_plugin_is_run_in_the_same_way(beside: Scene, name: str) -> None:
    """It receives the same input, and its failure sends nothing."""
    await compare(beside, EXEC[name])
    told = [beside.folder / f"told-by-{who}" for who in ("kubectl", "servicetoken")]
    assert len({file.exists() for file in told}) == 1
    if told[0].exists():
        # A field that is null is one that is not set.
        first, second = (without_nulls(json.loads(file.read_text())) for file in told)
        assert first == second
