"""Where the API server is and who we are to it: files as they are found in pods and on laptops."""

import base64
import ssl
from pathlib import Path

import pytest

from controlplane.certificates import CertificateAuthority
from servicetokens.kube.access import KubeconfigSource, PodSource, find_namespace, find_source
from servicetokens.kube.errors import NotConfigured

POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """What the kubelet mounts into a pod."""
    directory = tmp_path / "serviceaccount"
    directory.mkdir()
    authority = CertificateAuthority(tmp_path)
    (directory / "ca.crt").write_bytes(authority.certificate.read_bytes())
    (directory / "token").write_text("first\n")
    return directory


def test_a_named_file_wins_over_the_pod_and_the_environment() -> None:
    """--kubeconfig, then $KUBECONFIG, then the pod; without any of them a sentence says what to do."""
    everything = {**POD, "KUBECONFIG": "b"}
    assert isinstance(find_source("a", everything), KubeconfigSource)
    assert isinstance(find_source(None, everything), KubeconfigSource)
    assert isinstance(find_source(None, POD), PodSource)
    assert isinstance(find_source(None, {"KUBECONFIG": "b"}), KubeconfigSource)
    with pytest.raises(NotConfigured, match="use --kubeconfig FILE"):
        find_source(None, {})
    with pytest.raises(NotConfigured, match="no context 'other'"):
        find_source(None, POD, context="other")


@pytest.mark.parametrize("content", [None, "", "{}", "apiVersion: v1\nkind: Config\nclusters: []\n"])
def test_in_a_pod_an_empty_kubeconfig_counts_as_none(
    mounted: Path, tmp_path: Path, content: str | None
) -> None:
    """As with kubectl, for people; the operator does not start when the file that it was given does not exist."""
    file = tmp_path / "config"
    if content is not None:
        file.write_text(content)
    (mounted / "namespace").write_text("team-a")
    pod = {**POD, "KUBECONFIG": str(file)}
    assert isinstance(find_source(None, pod, mounted, personal=True), PodSource)
    assert find_namespace(None, None, pod, mounted) == "team-a"
    assert isinstance(find_source(None, pod, mounted), KubeconfigSource)
    assert isinstance(find_source(None, {"KUBECONFIG": str(file)}, mounted, personal=True), KubeconfigSource)
    assert isinstance(find_source(None, pod, tmp_path, personal=True), KubeconfigSource)
    named = find_source(str(file), POD, mounted, personal=True)
    assert isinstance(named, KubeconfigSource if content is None else PodSource)


@pytest.mark.parametrize("content", ["[", "current-context: a\n", "clusters: [{name: a}]\n"])
def test_in_a_pod_a_kubeconfig_that_says_something_is_used(
    mounted: Path, tmp_path: Path, content: str
) -> None:
    """Also if what it says is wrong: the pod's account is not what was requested."""
    (tmp_path / "config").write_text(content)
    pod = {**POD, "KUBECONFIG": str(tmp_path / "config")}
    assert isinstance(find_source(None, pod, mounted, personal=True), KubeconfigSource)
    assert find_namespace(None, None, pod, mounted) is None


def test_the_namespace_in_a_pod_is_a_variable_or_the_mounted_one(mounted: Path, tmp_path: Path) -> None:
    """As with kubectl; outside of a pod, the variable means nothing."""
    (mounted / "namespace").write_text("team-a\n")
    variable = {"POD_NAMESPACE": "team-b", "HOME": str(tmp_path)}
    assert find_namespace(None, None, {**POD, **variable}, mounted) == "team-b"
    assert find_namespace(None, None, POD, mounted) == "team-a"
    assert find_namespace(None, None, variable, mounted) == "team-a"
    assert find_namespace(None, None, variable, tmp_path) is None


async def test_a_pod_speaks_with_its_mounted_token_and_reads_it_again(mounted: Path) -> None:
    """The kubelet replaces the token; as long as the authority is the same, so are the connections."""
    source = find_source(None, POD, mounted)
    first = await source.load()
    assert str(first.server) == "https://10.96.0.1"
    assert first.headers == (("Authorization", "Bearer first"),)
    assert isinstance(first.tls, ssl.SSLContext)
    assert first.tls.verify_mode is ssl.CERT_REQUIRED
    assert "first" not in repr(first)
    (mounted / "token").write_text("second")
    second = await source.load()
    assert second.headers == (("Authorization", "Bearer second"),)
    assert second.tls is first.tls
    assert source.max_age is not None


async def test_another_authority_makes_new_connections(mounted: Path, tmp_path: Path) -> None:
    """An API server whose authority was replaced is trusted again without a restart."""
    source = find_source(None, POD, mounted)
    first = await source.load()
    other = tmp_path / "other"
    other.mkdir()
    (mounted / "ca.crt").write_bytes(CertificateAuthority(other).certificate.read_bytes())
    assert (await source.load()).tls is not first.tls


async def test_an_ipv6_address_is_bracketed(mounted: Path) -> None:
    """Clusters may have no other."""
    source = find_source(None, {"KUBERNETES_SERVICE_HOST": "fd00::1"}, mounted)
    assert str((await source.load()).server) == "https://[fd00::1]"


@pytest.mark.parametrize("port", ["tcp://10.96.0.1:443", "0", "99999", "\N{SUPERSCRIPT TWO}"])
def test_a_port_of_the_pod_that_is_none_is_a_sentence(port: str) -> None:
    """Variables can be set by any user who writes a Deployment."""
    with pytest.raises(NotConfigured, match="no address and port of the API server"):
        find_source(None, {**POD, "KUBERNETES_SERVICE_PORT": port})


async def test_remarks_in_the_authority_of_the_pod_are_ignored(mounted: Path) -> None:
    """In any encoding."""
    authority = (mounted / "ca.crt").read_bytes()
    (mounted / "ca.crt").write_bytes("# Zürich\n".encode("latin-1") + authority)
    access = await find_source(None, POD, mounted).load()
    assert isinstance(access.tls, ssl.SSLContext)
    assert len(access.tls.get_ca_certs()) == 1


@pytest.mark.parametrize("damage", ["token", "ca.crt"])
async def test_an_unreadable_mount_is_a_sentence(mounted: Path, damage: str) -> None:
    """It names the directory, and is no traceback."""
    (mounted / damage).unlink()
    with pytest.raises(NotConfigured, match="serviceaccount cannot be read"):
        await find_source(None, POD, mounted).load()
    (mounted / damage).write_text("not a certificate" if damage == "ca.crt" else "\N{SNOWMAN}")
    with pytest.raises(NotConfigured, match="serviceaccount cannot be read"):
        await find_source(None, POD, mounted).load()


@pytest.mark.parametrize(
    "content",
    ["", "{}", "a: [", "- 1", "apiVersion: v1\nkind: Config\ncurrent-context: none\ncontexts: []\n"],
)
async def test_an_unusable_kubeconfig_is_a_sentence(tmp_path: Path, content: str) -> None:
    """In one line, which names the file."""
    file = tmp_path / "config"
    with pytest.raises(NotConfigured, match="does not exist"):
        await KubeconfigSource([file]).load()
    file.write_text(content)
    with pytest.raises(NotConfigured, match="cannot be used") as caught:
        await KubeconfigSource([file]).load()
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_kubeconfig_gives_address_authority_and_token(tmp_path: Path, mounted: Path) -> None:
    """Also the name that the server's certificate has, and a proxy."""
    file = tmp_path / "config"
    file.write_text(f"""
apiVersion: v1
kind: Config
current-context: it
contexts: [{{name: it, context: {{cluster: it, user: me}}}}]
clusters:
- name: it
  cluster:
    server: https://127.0.0.1:6443/prefix/
    certificate-authority: {mounted / "ca.crt"}
    tls-server-name: kubernetes
    proxy-url: http://127.0.0.1:3128
users: [{{name: me, user: {{tokenFile: {mounted / "token"}}}}}]
""")
    access = await KubeconfigSource([file]).load()
    assert str(access.server) == "https://127.0.0.1:6443/prefix"
    assert access.headers == (("Authorization", "Bearer first"),)
    assert str(access.proxy) == "http://127.0.0.1:3128"


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ("{}", f"Basic {base64.b64encode(b'ci:s3/cret').decode()}"),
        ("{token: mine}", "Bearer mine"),
    ],
)
async def test_a_password_in_the_address_becomes_a_header(tmp_path: Path, user: str, header: str) -> None:
    """Unless the user has other credentials, as in Go; the address is without it from then on."""
    file = tmp_path / "config"
    file.write_text(f"""
apiVersion: v1
kind: Config
current-context: it
contexts: [{{name: it, context: {{cluster: it, user: me}}}}]
clusters: [{{name: it, cluster: {{server: "https://ci:s3%2Fcret@127.0.0.1:6443/prefix/"}}}}]
users: [{{name: me, user: {user}}}]
""")
    access = await KubeconfigSource([file]).load()
    assert str(access.server) == "https://127.0.0.1:6443/prefix"
    assert access.headers == (("Authorization", header),)
    assert "s3" not in repr(access)
