"""kubectl's flags for a connection, with kubectl and with the plugin: the same server is asked as the same user."""

from collections.abc import Mapping
from typing import Final

import pytest

from common.drivers.kubectlike import V1, Case, Scene, compare, login

AUTHORITY: Final = "{folder}/ca/servicetokens-test-ca.pem"
CERTIFICATE: Final = ("--client-certificate={folder}/ca/alice.pem", "--client-key={folder}/ca/alice.key")
NO_FILE: Final = {"KUBECONFIG": ""}
BY_EXEC: Final = {
    "token": None,
    "exec": {"apiVersion": V1, "command": "./login.sh", "interactiveMode": "Never"},
}
FLAGS: Final[Mapping[str, Case]] = {
    "a namespace": Case(context={"namespace": "team-a"}, options=["-n", "x"]),
    "a namespace behind an equals sign": Case(options=["-n=x"]),
    "all namespaces": Case(options=["-A", "-n", "x"]),
    "not all namespaces": Case(context={"namespace": "team-a"}, options=["-A=false"]),
    "a context": Case(options=["--context", "b"]),
    "no context": Case(options=["--context="]),
    "a context that does not exist": Case("there is no context 'nope'", options=["--context", "nope"]),
    "a kubeconfig": Case(options=["--kubeconfig", "../config"], environment={"KUBECONFIG": "{folder}/none"}),
    "a kubeconfig that does not exist": Case("none does not exist", options=["--kubeconfig={folder}/none"]),
    "impersonation over the file": Case(
        user={"as": "eve", "as-groups": ["a"]},
        options=["--as=bob", "--as-uid=7", "--as-user-extra=k=v", "--as-user-extra=k=w"],
    ),
    "groups": Case(options=["--as=bob", "--as-group=x", "--as-group=y"]),
    "a group without a user": Case("need --as", options=["--as-group=x"]),
    "a cluster": Case(options=["--cluster", "two"]),
    "a cluster that does not exist": Case("there is no cluster 'nope'", options=["--cluster=nope"]),
    "a user": Case(options=["--user", "bob"]),
    "a user that does not exist": Case("there is no user 'nope'", options=["--user=nope"]),
    "a server": Case(options=["-s", "https://{api}/two", "--tls-server-name=kubernetes"]),
    "a server by another name": Case("is not trusted", options=["--server=https://{api}/two"]),
    "a server without a kubeconfig": Case(options=["-s", "{plain}"], environment=NO_FILE),
    "a token": Case(options=["--token=t-flag"]),
    "a token over an exec plugin": Case(
        user=BY_EXEC, files={"login.sh": login({"token": "t"})}, options=["--token=t-flag"]
    ),
    "a password beside a token": Case("has a token and a password", options=["--username=u", "--password=p"]),
    "a client certificate": Case(
        user={"token": None, "client-certificate-data": "%CA%", "client-key-data": "%KEY%"},
        options=CERTIFICATE,
    ),
    "no verification": Case(options=["--insecure-skip-tls-verify"]),
    "an authority": Case(
        cluster={"certificate-authority": None, "insecure-skip-tls-verify": True},
        options=["--certificate-authority", AUTHORITY],
    ),
    "a proxy": Case(options=["--proxy-url=http://{proxy}"]),
    "a time for requests": Case(options=["--request-timeout=1m30s", "--disable-compression"]),
    "no limit for requests": Case(options=["--request-timeout=0"]),
    "a time that is none": Case("'soon' is no time", options=["--request-timeout=soon"]),
}


@pytest.mark.parametrize("name", FLAGS)
async def test_a_flag_means_the_same(beside: Scene, name: str) -> None:
    """Over what the kubeconfig says, and without one."""
    await compare(beside, FLAGS[name])
