"""TLS of a running validator: certificates replaced under load, clients by name, and what is no TLS at all."""

import http.client
import json
import shutil
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from common.builders.stored import StoredToken
from common.drivers.validating import V1, RunningValidator, validator
from common.drivers.world import World
from controlplane.certificates import CertificateAuthority, KeyPair
from controlplane.kubeconfig import write_kubeconfig
from controlplane.ports import LOOPBACK
from controlplane.waiting import patient

REVIEW = b'{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"x"}}'
SWAPS = 6
KEEP_ALIVE = 12


def swap(directory: Path, pair: KeyPair, number: int) -> None:
    """Replace the files as the kubelet does: a new directory, and one link that is moved."""
    new = directory / f"..{number}"
    new.mkdir()
    shutil.copy(pair.certificate, new / "tls.crt")
    shutil.copy(pair.key, new / "tls.key")
    link = directory / "..data_tmp"
    link.symlink_to(new.name)
    link.replace(directory / "..data")


class Askers:
    """Clients that ask all the time, on connections that they keep, or on a new one for each question."""

    def __init__(self, port: int) -> None:
        self.answers: Counter[str] = Counter()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._port = port
        self._ending = threading.Event()
        kinds = [True] * KEEP_ALIVE + [False] * 2
        self._threads = [threading.Thread(target=self._ask, args=(keeps,)) for keeps in kinds]

    def __enter__(self) -> Counter[str]:
        for thread in self._threads:
            thread.start()
        return self.answers

    def __exit__(self, *_error: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, keeps: bool) -> None:
        connection = self._connect()
        while not self._ending.wait(0.005):
            try:
                connection.request("POST", "/authenticate", REVIEW)
                answer = connection.getresponse()
                answer.read()
                self.answers[str(answer.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[type(error).__name__] += 1
            if not keeps:
                connection.close()
                connection = self._connect()
        connection.close()

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(LOOPBACK, self._port, context=self._context, timeout=patient(10))


def shown(port: int) -> bytes:
    """Return the certificate that a new connection is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((LOOPBACK, port), timeout=patient(5)) as plain,
        context.wrap_socket(plain) as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


def all_differ(ports: Sequence[int], before: Sequence[bytes]) -> bool:
    """Say whether each port shows another certificate than *before*."""
    return all(shown(port) != old for port, old in zip(ports, before, strict=True))


def test_certificates_are_replaced_under_load_and_nothing_is_lost(world: World, tmp_path: Path) -> None:
    """Again and again; connections that are open go on with what they began with."""
    authority = CertificateAuthority(tmp_path / "ca")
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    swap(mounted, authority.server("first"), 0)
    for name in ("tls.crt", "tls.key"):
        (mounted / name).symlink_to(f"..data/{name}")
    flags = (f"--tls-cert-file={mounted}/tls.crt", f"--tls-key-file={mounted}/tls.key")
    with validator(world, tmp_path / "validator.log", *flags) as running:
        ports = (running.ports.token_review, running.ports.introspection)
        with Askers(running.ports.token_review) as answers:
            for number in range(1, SWAPS + 1):
                before = [shown(port) for port in ports]
                swap(mounted, authority.server(f"next-{number}"), number)
                world.until(partial(all_differ, ports, before), "the new certificate")
        assert set(answers) == {"200"}
        assert answers["200"] > 100 * SWAPS


@pytest.fixture(scope="module")
def mutual(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningValidator, CertificateAuthority]]:
    """A validator that serves TokenReviews to the client `apiserver` of one CA only, and that CA."""
    home = tmp_path_factory.mktemp("mutual")
    clients = CertificateAuthority(home / "clients", "clients-ca")
    flags = (f"--client-ca-file={clients.certificate}", "--client-name=apiserver")
    with validator(world, home / "validator.log", *flags) as running:
        yield running, clients


def review(running: RunningValidator, world: World, pair: KeyPair | None) -> int:
    """Ask as the holder of *pair*; return the status. Raises what the handshake, or what follows it, raises."""
    context = ssl.create_default_context(cafile=str(world.cluster.files.authority.certificate))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    connection = http.client.HTTPSConnection(
        LOOPBACK, running.review_port, context=context, timeout=patient(10)
    )
    try:
        connection.request("POST", "/authenticate", REVIEW)
        return connection.getresponse().status
    finally:
        connection.close()


def test_only_the_named_client_is_served(
    world: World, mutual: tuple[RunningValidator, CertificateAuthority], tmp_path: Path
) -> None:
    """Another name gets no decision; another CA, or no certificate, not even a connection."""
    running, clients = mutual
    assert review(running, world, clients.client("apiserver")) == 200
    assert review(running, world, clients.client("somebody")) == 403
    strangers = CertificateAuthority(tmp_path / "strangers", "clients-ca")
    for pair in (strangers.client("apiserver"), None, clients.server("apiserver")):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            review(running, world, pair)
    assert running.introspect("token=x").status == 401
    assert "Traceback" not in running.process.output()


@pytest.mark.alone
def test_a_client_that_sends_no_handshake_is_disconnected(running: RunningValidator) -> None:
    """Five seconds after it has connected to a TLS port; anyone who speaks HTTP there is not answered."""
    with socket.create_connection((LOOPBACK, running.review_port), timeout=patient(15)) as silent:
        began = time.monotonic()
        assert silent.recv(1) == b""
        assert 3 < time.monotonic() - began < patient(12)


def test_http2_is_not_offered(running: RunningValidator, token: StoredToken) -> None:
    """A client that could do both speaks HTTP/1.1: h2 would put all its questions on one connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    for port in (running.ports.token_review, running.ports.introspection):
        with (
            socket.create_connection((LOOPBACK, port), timeout=patient(5)) as plain,
            context.wrap_socket(plain, server_hostname="any.other.name") as secure,
        ):
            assert secure.selected_alpn_protocol() == "http/1.1"


def test_kubectl_sends_a_review_as_kube_apiserver_does(
    world: World, mutual: tuple[RunningValidator, CertificateAuthority], token: StoredToken, tmp_path: Path
) -> None:
    """By client-go, in chunks, with the client certificate of its kubeconfig."""
    running, clients = mutual
    kubeconfig = write_kubeconfig(
        tmp_path / "webhook.kubeconfig",
        server=f"https://{LOOPBACK}:{running.review_port}",
        certificate_authority=world.cluster.files.authority.certificate,
        client=clients.client("apiserver", file="kubectl"),
    )
    review = {"apiVersion": V1, "kind": "TokenReview", "spec": {"token": token.text}}
    ended = world.cluster.kubectl(
        *("create", "--raw", "/authenticate", "-f", "-"), input=json.dumps(review), kubeconfig=kubeconfig
    )
    assert json.loads(ended.stdout)["status"]["user"]["username"] == f"servicetoken:{token.namespace}:ci"
