"""Kubeconfig files as kubectl reads them: merged, empty, with remarks, and with what does not fit."""

import base64
from pathlib import Path

import pytest

from common.builders.kubeconfigs import ask, rejection, trusting, used, write
from common.fakes.front import Front
from controlplane.certificates import CertificateAuthority
from servicetokens.kube.access import find_namespace, find_source
from servicetokens.kube.client import Api
from servicetokens.kube.errors import NotConfigured

# Everything here is true of both ways of asking.
pytestmark = pytest.mark.usefixtures("door")


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


async def test_an_empty_file_and_an_empty_context_have_no_effect(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """In a list of files, and on the command line, as with kubectl; alone, an empty file names no context."""
    (tmp_path / "empty").touch()
    (tmp_path / "remark").write_text("# nothing\n---\n")
    file = write(tmp_path / "config", trusting(front, authority), {"token": "t"}, namespace="team-a")
    listed = {"KUBECONFIG": f"{tmp_path}/empty:{tmp_path}/remark:{file}"}
    source = find_source(None, listed, context="")
    async with used[0](source, await source.load()) as api:
        await api.request("GET", "/version")
    assert front.header("Authorization") == ["Bearer t"]
    assert find_namespace(None, "", listed) == "team-a"
    assert "names no context" in await rejection(tmp_path / "empty")


async def test_the_first_document_of_a_file_counts(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """As with kubectl; what is null has not been set, and what looks like a time stays text."""
    file = write(tmp_path / "config", trusting(front, authority), {"username": "u", "password": "p"})
    text = file.read_text().replace("password: p", "password: 2027-01-31\n    token: null")
    file.write_text(f"---\n{text}---\nkind: Other\n")
    await ask(file)
    assert front.header("Authorization") == ["Basic " + base64.b64encode(b"u:2027-01-31").decode()]


async def test_remarks_around_certificates_are_ignored(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """In any encoding, with what is no certificate, and with a mark of the byte order in front."""
    pem = authority.certificate.read_bytes()
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    for remark in ("# Zürich\n".encode(), "# Zürich\n".encode("latin-1"), b"\xef\xbb\xbf", broken):
        (tmp_path / "ca.pem").write_bytes(remark + pem)
        await ask(
            write(tmp_path / "config", {**trusting(front, authority), "certificate-authority": "ca.pem"})
        )
    assert len(front.asked) == 4
    (tmp_path / "ca.pem").write_bytes(broken)
    cluster = {**trusting(front, authority), "certificate-authority": "ca.pem"}
    assert "holds no certificate in PEM" in await rejection(write(tmp_path / "config", cluster))


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("https://example.com:99999", "the port must be a number from 1 to 65535"),
        ("https://me:secret@example.com:0", "the port must be a number from 1 to 65535"),
        ("https://::1:6443", "an IPv6 address needs brackets"),
        ("https://me:secret@fd00::1", "an IPv6 address needs brackets"),
        ("https://[::1]:x", "the port must be a number from 1 to 65535"),
        ("example.com:", "the port must be a number from 1 to 65535"),
        ("https://", "not an http:// or https:// URL"),
    ],
)
async def test_an_address_that_is_none_is_a_sentence(tmp_path: Path, server: str, said: str) -> None:
    """It says what is wrong with it, and repeats no password."""
    rejected = await rejection(write(tmp_path / "config", {"server": server}))
    assert said in rejected
    assert "secret" not in rejected


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("current-context: it", "current-context: 7", "current-context must be text"),
        ("name: it", "name: 20261129", "contexts[0].name must be text"),
        ("contexts:\n- context:", "contexts:\n  it:", "contexts must be a list"),
        ("users:\n", "users:\n- u\n", "users[0].name must be text"),
    ],
)
async def test_what_is_of_another_type_is_named(tmp_path: Path, before: str, after: str, said: str) -> None:
    """It would otherwise be as if it did not exist."""
    file = write(tmp_path / "config", {"server": "https://x"})
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    assert said in await rejection(file)


async def test_a_context_that_does_not_fit_is_named(tmp_path: Path) -> None:
    """With those that exist."""
    file = write(tmp_path / "config", {"server": "https://x"})
    assert "there is no context 'nope' (it has it)" in await rejection(file, context="nope")
    missing = write(tmp_path / "config", {"server": "https://x"}, cluster="other")
    assert "there is no cluster 'other' (it has c)" in await rejection(missing)
    assert "has no server" in await rejection(write(tmp_path / "config", {}))
    odd = write(tmp_path / "config", {"server": "ftp://x"})
    assert "not an http:// or https:// URL" in await rejection(odd)
    assert "names no cluster" in await rejection(write(tmp_path / "config", {}, cluster=""))
