"""What a command line says over the kubeconfig, with the rules of client-go."""

from pathlib import Path

import pytest

from common.builders.kubeconfigs import ask, helper, plugin, printed, rejection, trusting, write
from common.fakes.front import Front, api_front
from controlplane.certificates import CertificateAuthority
from controlplane.ports import LOOPBACK
from servicetokens.kube.access import find_namespace, find_source
from servicetokens.kube.entries import ClusterEntry, UserEntry
from servicetokens.kube.errors import NotConfigured
from servicetokens.kube.overrides import Overrides


def test_what_verifies_the_server_is_replaced_as_a_whole() -> None:
    """An authority ends `insecure-skip-tls-verify` and the other way round; data in the file does not win."""
    cluster = ClusterEntry(server="https://x", insecure_skip_tls_verify=True)
    Overrides(certificate_authority="/ca").apply_to_cluster(cluster)
    assert (cluster.certificate_authority, cluster.insecure_skip_tls_verify) == ("/ca", False)
    cluster = ClusterEntry(server="https://x", certificate_authority_data="eA==")
    Overrides(insecure_skip_tls_verify=True).apply_to_cluster(cluster)
    assert (cluster.certificate_authority_data, cluster.insecure_skip_tls_verify) == ("", True)


def test_another_server_is_not_expected_to_have_the_name_in_the_file() -> None:
    """Unless the command line says so, too."""
    cluster = ClusterEntry(server="https://x", tls_server_name="x")
    Overrides(server="https://y").apply_to_cluster(cluster)
    assert (cluster.server, cluster.tls_server_name) == ("https://y", "")
    Overrides(tls_server_name="z").apply_to_cluster(cluster)
    assert (cluster.server, cluster.tls_server_name) == ("https://y", "z")


def test_a_credential_replaces_the_one_of_its_kind() -> None:
    """A token also a token file, files of a certificate also data; paths are relative to where the command runs."""
    user = UserEntry(token_file="f", client_certificate_data="eA==", client_key_data="eA==")
    Overrides(token="t", client_certificate="c", client_key="k").apply_to_user(user)
    assert (user.token, user.token_file) == ("t", "")
    assert (user.client_certificate_data, user.client_key_data) == ("", "")
    assert (user.client_certificate, user.client_key) == (
        str(Path("c").absolute()),
        str(Path("k").absolute()),
    )


def test_a_secret_on_the_command_line_is_in_no_message() -> None:
    """Neither the token nor the password."""
    assert "s3cret" not in repr(Overrides(token="s3cret", password="s3cret"))


async def test_a_pod_accepts_a_token_and_rejects_other_requests(tmp_path: Path) -> None:
    """A flag without effect would ask another server, or as another user, than was meant."""
    pod = {"KUBERNETES_SERVICE_HOST": LOOPBACK}
    with pytest.raises(NotConfigured, match="service account cannot be used with --cluster"):
        find_source(None, pod, overrides=Overrides(cluster="c"))
    ca = CertificateAuthority(tmp_path)
    (tmp_path / "ca.crt").write_bytes(ca.certificate.read_bytes())
    source = find_source(None, pod, tmp_path, overrides=Overrides(token="t"))
    assert ("Authorization", "Bearer t") in (await source.load()).headers


async def test_a_server_needs_no_kubeconfig(tmp_path: Path) -> None:
    """But one that is named must exist, and so must a context."""
    overrides = Overrides(server="https://x")
    access = await find_source(None, {}, overrides=overrides).load()
    assert access.server.host == "x"
    assert find_namespace(None, None, {"HOME": str(tmp_path)}, overrides=overrides) is None
    with pytest.raises(NotConfigured, match="does not exist"):
        find_source(str(tmp_path / "none"), {}, overrides=overrides)
    with pytest.raises(NotConfigured, match="there is no kubeconfig: there is no context 'c'"):
        await find_source(None, {}, context="c", overrides=overrides).load()


async def test_without_tls_no_credential_is_sent(tmp_path: Path) -> None:
    """It could be read on the network; as with kubectl, the request is sent without it."""
    async with api_front() as front:
        server = {"server": f"http://{LOOPBACK}:{front.port}"}
        for user in ({"token": "t"}, {"username": "u", "password": "p"}, plugin("./missing.sh")):
            await ask(write(tmp_path / "config", server, user))
            assert front.header("Authorization") == []


async def test_with_a_client_certificate_no_exec_plugin_is_run(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """As in client-go: who has a certificate needs no other credential."""
    pair = authority.client("alice")
    files = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
    user = plugin(helper(tmp_path, printed({"token": "t"}))) | files
    await ask(write(tmp_path / "config", trusting(front, authority), user))
    assert front.header("Authorization") == []
    assert front.certificates[-1]


async def test_a_file_of_another_kind_and_a_repeated_field_are_rejected(tmp_path: Path) -> None:
    """As by kubectl."""
    file = write(tmp_path / "config", {"server": "https://x"}, {"token": "t"})
    text = file.read_text()
    file.write_text(f"{text}kind: Secret\n")
    assert "it is another kind of file: kind must be Config" in await rejection(file)
    file.write_text(text.replace("users:\n", "users:\n- {name: u, user: {}}\n"))
    assert "users has two entries with the name 'u'" in await rejection(file)
    both = {"certificate-authority": "x", "certificate-authority-data": "eA=="}
    twice = write(tmp_path / "twice", {"server": "https://x", **both})
    assert "certificate-authority and certificate-authority-data exclude each other" in await rejection(twice)


async def test_the_token_next_to_a_token_file_is_used_while_the_file_does_not_exist(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """As in client-go."""
    user = {"token": "t-first", "tokenFile": "later"}
    file = write(tmp_path / "config", trusting(front, authority), user)
    await ask(file)
    assert front.header("Authorization") == ["Bearer t-first"]
    (tmp_path / "later").write_text("t-later")
    await ask(file)
    assert front.header("Authorization") == ["Bearer t-later"]
