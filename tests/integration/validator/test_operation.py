"""Starting, waiting, reloading and ending of a validator."""

import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from common.builders.stored import KEY, store_account, store_keys, store_token
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import HOME, World
from controlplane.certificates import CertificateAuthority
from controlplane.cluster import Cluster, Options
from controlplane.ports import LOOPBACK
from controlplane.waiting import patient
from servicetokens.tokens.verifier import KeyRing

WRONG = "svt_AAAAAAAAAAAA_" + "a" * 49


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `servicetokens validator` to its end."""
    command = [sys.executable, "-m", "servicetokens", "validator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=patient(30), check=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--forward-auth-adress=x"], "No such option"),
        (["--forward-auth-address=8080"], "--forward-auth-address"),
        (["--trusted-proxy=10.0.0.1/8"], "--trusted-proxy: '10.0.0.1/8' must be a network"),
        (["--max-staleness=1s"], "--max-staleness: '1s' must be a duration from 5s to 1h"),
        (["--token-review-address=127.0.0.1:0"], "--tls-cert-file"),
        (["--token-review-address="], "Error: the listener --introspection-address needs --tls-cert-file"),
        (
            ["--client-name=x", "--token-review-address=", "--introspection-address="],
            "--client-name needs --client-ca-file",
        ),
        (["--introspection-max-age=5"], "--introspection-max-age: '5' must be a duration like 60s"),
    ],
)
def test_a_wrong_flag_is_one_line_and_exit_2(arguments: list[str], words: str) -> None:
    """It names the flag and says what it has to be."""
    ended = run(*arguments)
    assert ended.returncode == 2, ended.stderr
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_and_an_unreadable_certificate_are_one_line_and_exit_1(
    world: World, tmp_path: Path
) -> None:
    """Each names what it is about."""
    kubeconfig = f"--kubeconfig={world.cluster.kubeconfig}"
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        address = f"{LOOPBACK}:{taken.getsockname()[1]}"
        ended = run(
            kubeconfig,
            "--token-review-address=",
            "--introspection-address=",
            f"--forward-auth-address={address}",
            "--health-address=127.0.0.1:0",
        )
        assert ended.returncode == 1
        assert address in ended.stderr
        assert "Traceback" not in ended.stderr
    files = (f"--tls-cert-file={tmp_path}/none.pem", f"--tls-key-file={tmp_path}/none.key")
    ended = run(kubeconfig, *files, "--health-address=127.0.0.1:0", "--forward-auth-address=")
    assert ended.returncode == 1
    assert f"cannot read {tmp_path}/none.pem" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_until_everything_is_known_every_answer_is_503(binaries: Path, tmp_path: Path) -> None:
    """CRDs, keys, lists: then it answers. Without the API server it stops in time, and recovers automatically."""
    with Cluster(Options(), binaries=binaries) as cluster:
        world = World(cluster)
        with validator(world, tmp_path / "validator.log", "--max-staleness=5s", wait=False) as running:
            world.until(lambda: "is not installed" in running.page("/readyz")[1], "the missing CRDs")
            reply = running.forward(WRONG)
            assert (reply.status, reply.headers["Retry-After"].isdigit()) == (503, True)
            assert "WWW-Authenticate" not in reply.headers
            assert running.review(WRONG).status == 503
            assert running.page("/livez")[0] == 200
            world.install()
            world.until(lambda: "servicetokens-hmac-keys" in running.page("/readyz")[1], "the missing keys")
            store_keys(world.client, HOME)
            world.until(running.is_ready, "the validator to be ready", timeout=30)
            namespace = cluster.create_namespace()
            uid = store_account(world.client, namespace, "ci")
            token = store_token(world.client, namespace, "ci-prod", account="ci", account_uid=uid)
            world.until(lambda: running.forward(token.text).status == 200, "the token to be known")

            cluster.stop_api_server()
            assert running.forward(token.text).status == 200, "from memory, for a while"
            world.until(
                lambda: running.forward(token.text).status == 503, "the watch to be too old", timeout=20
            )
            # The Lease may have come to its end a moment earlier.
            world.until(lambda: "has received nothing" in running.page("/readyz")[1], "the watch to be named")
            cluster.start_api_server()
            world.until(lambda: running.forward(token.text).status == 200, "the recovery", timeout=30)
            metrics = running.page("/metrics")[1]
            assert 'result="accepted"' in metrics
            assert token.id not in metrics
        output = running.process.output()
        assert "Traceback" not in output
        assert token.text.split("_")[2] not in output


def test_a_second_key_works_without_a_restart(
    world: World, namespace: str, running: RunningValidator
) -> None:
    """It is read when a credential names it."""
    uid = store_account(world.client, namespace, "ci")
    both = {"k1": KEY, "k2": bytes(reversed(KEY))}
    store_keys(world.client, HOME, both)
    token = store_token(world.client, namespace, "ci-prod", account="ci", account_uid=uid)
    token.rotate(keys=KeyRing(both))
    world.until(lambda: running.forward(token.text).status == 200, "the second key to be read")


def served_certificate(running: RunningValidator) -> bytes:
    """Return the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((LOOPBACK, running.review_port), timeout=patient(5)) as plain,
        context.wrap_socket(plain) as secure,
    ):
        assert secure.version() in {"TLSv1.2", "TLSv1.3"}
        assert secure.selected_alpn_protocol() is None
        return secure.getpeercert(binary_form=True) or b""


def test_a_certificate_is_replaced_without_losing_a_request(world: World, tmp_path: Path) -> None:
    """Open connections go on, new ones are shown the new one."""
    certificate = CertificateAuthority(tmp_path / "ca").server("validator")
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    cert.write_bytes(certificate.certificate.read_bytes())
    key.write_bytes(certificate.key.read_bytes())
    flags = (f"--tls-cert-file={cert}", f"--tls-key-file={key}")
    with validator(world, tmp_path / "validator.log", *flags) as running:
        first = served_certificate(running)
        replacement = CertificateAuthority(tmp_path / "other").server("validator")
        key.write_bytes(replacement.key.read_bytes())
        cert.write_bytes(replacement.certificate.read_bytes())
        world.until(lambda: served_certificate(running) != first, "the new certificate", timeout=15)


def test_old_protocols_and_plain_http_get_nothing_on_the_tls_port(running: RunningValidator) -> None:
    """TLS 1.2 is the least."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((LOOPBACK, running.review_port), timeout=patient(5)) as plain,
        pytest.raises((ssl.SSLError, OSError)),
    ):
        context.wrap_socket(plain)
    with socket.create_connection((LOOPBACK, running.review_port), timeout=patient(5)) as plain:
        plain.sendall(b"GET /authenticate HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP")


def test_sigterm_drains_without_losing_a_request(world: World, namespace: str, tmp_path: Path) -> None:
    """Not ready immediately, answering on for some seconds; then connections are closed, and it exits with 0."""
    uid = store_account(world.client, namespace, "ci")
    token = store_token(world.client, namespace, "ci-prod", account="ci", account_uid=uid)
    with validator(world, tmp_path / "validator.log") as running:
        world.until(lambda: running.forward(token.text).status == 200, "the token to be known")
        answers: Counter[int] = Counter()
        ending = threading.Event()

        def ask() -> None:
            while not ending.is_set():
                try:
                    answers[running.forward(token.text).status] += 1
                except (ConnectionRefusedError, ConnectionResetError):
                    # The very end: anyone who still opens connections then has not looked at /readyz for seconds.
                    return

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.3)
        running.process.send(signal.SIGTERM)
        world.until(lambda: running.page("/readyz")[0] == 503, "readiness to go")
        assert running.forward(token.text).status == 200
        assert running.process.wait(20) == 0
        ending.set()
        asking.join(10)
    assert set(answers) == {200}
    assert answers[200] > 10
