"""Exec credential plugins: run as kubectl runs them; what fails sends nothing, and is reported in words."""

import asyncio
import base64
import contextlib
import gc
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from common.builders.kubeconfigs import V1, ask, helper, plugin, printed, rejection, trusting, write
from common.fakes.clock import FakeClock
from common.fakes.front import Front
from controlplane.certificates import CertificateAuthority
from servicetokens.kube import execplugin
from servicetokens.kube.access import KubeconfigSource

# Everything here is true of both ways of asking.
pytestmark = pytest.mark.usefixtures("door")


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
    """Not only once it is rejected."""
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
        ("echo hunter2", "not an ExecCredential"),
        ("printf 'a: ['", "not an ExecCredential"),
        ("kill -9 $$", "was killed by signal 9"),
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
    """Its own words are reported, what it printed is not, and no anonymous request is made."""
    file = write(tmp_path / "config", trusting(front, authority), plugin(helper(tmp_path, body)))
    rejected = await rejection(file)
    assert said in rejected
    assert "hunter2" not in rejected
    assert not front.asked


async def test_what_an_exec_plugin_leaves_in_the_background_holds_nothing_up(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """A process that keeps the pipes open: the credential is used, and no pipe outlives the event loop."""
    body = 'sleep 60 & echo $! > "$1"; ' + printed({"token": "t", "expirationTimestamp": None})
    entry = plugin(helper(tmp_path, body), args=[str(tmp_path / "pid")])
    await ask(write(tmp_path / "config", trusting(front, authority), entry))
    pid = int((tmp_path / "pid").read_text())
    assert runs(pid)
    os.kill(pid, signal.SIGKILL)
    assert front.header("Authorization") == ["Bearer t"]


def runs(pid: int) -> bool:
    """Say whether that process runs: one that has ended may remain as a zombie where nothing reaps it."""
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_an_exec_plugin_that_never_ends_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it has started still writing, too; the event loop ends without a message on standard error."""
    monkeypatch.setattr(execplugin, "_SECONDS", 0.5)
    entry = plugin(
        helper(tmp_path, 'sleep 300 & echo $! > "$1"; exec sleep 300'), args=[str(tmp_path / "pid")]
    )
    file = write(tmp_path / "config", {"server": "https://127.0.0.1:1"}, entry)
    assert "did not end within" in asyncio.run(rejection(file))
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    # Pipes that were left open would complain here, and warnings are errors.
    gc.collect()


async def test_an_exec_plugin_may_print_yaml(
    tmp_path: Path, front: Front, authority: CertificateAuthority
) -> None:
    """As with kubectl; a time needs no quotes."""
    (tmp_path / "answer").write_text(
        f"kind: ExecCredential\napiVersion: {V1}\n"
        "status: {token: t, clientKeyData: null, expirationTimestamp: 2100-01-01T00:00:00Z}\n"
    )
    entry = plugin(helper(tmp_path, 'cat "$1"'), args=[str(tmp_path / "answer")])
    await ask(write(tmp_path / "config", trusting(front, authority), entry))
    assert front.header("Authorization") == ["Bearer t"]


async def test_input_that_an_exec_plugin_cannot_get_gives_a_message(tmp_path: Path) -> None:
    """The authority that it wants to know cannot be read; its interpreter does not exist."""
    missing = {"server": "https://127.0.0.1:1", "certificate-authority": "missing.pem"}
    entry = plugin(helper(tmp_path, "exit 0"), provideClusterInfo=True)
    assert "missing.pem cannot be read: No such file" in await rejection(
        write(tmp_path / "config", missing, entry)
    )
    (tmp_path / "helper.sh").write_text("#!/no/such/shell\n")
    said = await rejection(write(tmp_path / "config", {"server": "https://127.0.0.1:1"}, entry))
    assert "the interpreter in its first line does not exist" in said


async def test_a_missing_exec_plugin_shows_its_hint(tmp_path: Path) -> None:
    """A bare word is looked up on the path, and not in the folder."""
    helper(tmp_path, "exit 0")
    cluster = {"server": "https://127.0.0.1:1"}
    entry = plugin("helper.sh", installHint="brew install helper")
    assert "'helper.sh' does not exist: brew install helper" in await rejection(
        write(tmp_path / "config", cluster, entry)
    )
    always = plugin("./helper.sh", interactiveMode="Always")
    with contextlib.ExitStack() as stack:
        stdin = stack.enter_context(open(os.devnull))  # noqa: PTH123, ASYNC230 - what the test is given may be a terminal
        stack.callback(setattr, sys, "stdin", sys.stdin)
        sys.stdin = stdin
        assert "there is no terminal" in await rejection(write(tmp_path / "config", cluster, always))
    for odd, said in (
        (plugin("./helper.sh", interactiveMode="Sometimes"), "interactiveMode must be"),
        (plugin("./helper.sh", apiVersion="client.authentication.k8s.io/v1alpha1"), "is not supported"),
    ):
        assert said in await rejection(write(tmp_path / "config", cluster, odd))
