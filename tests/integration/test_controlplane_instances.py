"""Control planes start, stop, restart, change their flags and break as they should, several at a time."""

import dataclasses
import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from controlplane import build
from controlplane.client import ApiClient
from controlplane.cluster import AuthenticationWebhook, Cluster, Options, ProcessFailed
from controlplane.ports import LOOPBACK
from controlplane.processes import is_running, wait_until_gone
from controlplane.waiting import wait_until

HACK = Path(__file__).parents[2] / "hack"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
OPTIONS = Options(audit=True)

# Starts a control plane and says the ids of all its processes and where its directory is.
OWNER = """
import time
from pathlib import Path
from controlplane.client import ApiClient
from controlplane.cluster import Cluster
cluster = Cluster()
cluster.start()
pids = [process.pid for process in cluster.processes]
supervisors = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] for pid in pids]
print(*pids, *supervisors, cluster.directory, flush=True)
time.sleep(300)
"""


@pytest.fixture(scope="module")
def shared(binaries: Path) -> Iterator[Cluster]:
    """A control plane of this module's own, which its tests may restart."""
    with Cluster(OPTIONS, binaries=binaries) as cluster:
        yield cluster


@pytest.fixture
def own(shared: Cluster) -> Iterator[Cluster]:
    """The module's control plane, restored to its first options when a test changed them."""
    yield shared
    if shared.options != OPTIONS:
        shared.restart_api_server(OPTIONS, kill=True)


@pytest.mark.parametrize("kill", [False, True], ids=["in order", "killed"])
def test_a_restart_keeps_everything_but_the_process(own: Cluster, kill: bool) -> None:
    """After a restart address, data and credentials are the old ones, and the audit log goes on."""
    client, url, pid = own.client("carol", ("system:masters",)), own.url, own.process("kube-apiserver").pid
    created = client.request("POST", CONFIG_MAPS, {"metadata": {"generateName": "kept-"}}).body
    before = own.audit.mark()
    own.restart_api_server(kill=kill)
    assert own.url == url
    assert own.process("kube-apiserver").pid != pid
    assert not is_running(pid)
    path = f"{CONFIG_MAPS}/{created['metadata']['name']}"
    assert client.request("GET", path).body["metadata"]["uid"] == created["metadata"]["uid"]
    client.request("DELETE", path)
    assert own.audit.writes(before, user="carol").total() == 1


def test_a_stopped_api_server_does_not_answer_and_keeps_its_port(own: Cluster) -> None:
    """While it is stopped connections are rejected, and no other server gets the port."""
    own.stop_api_server(kill=True)
    with pytest.raises(ConnectionRefusedError):
        own.client().request("GET", "/readyz")
    with socket.socket() as thief, pytest.raises(OSError, match="in use"):
        thief.bind((LOOPBACK, _port(own)))
    own.start_api_server()
    assert own.client().request("GET", "/readyz").ok


def test_a_frozen_api_server_hangs_and_recovers(own: Cluster) -> None:
    """SIGSTOP makes it hang as a lost machine does, SIGCONT restores it."""
    server = own.process("kube-apiserver")
    server.send(signal.SIGSTOP)
    # The signal goes through the supervisor, and arrives a moment later.
    wait_until(lambda: _hangs(_port(own)), what="the API server to hang", timeout=10)
    server.send(signal.SIGCONT)
    assert own.client().request("GET", "/readyz").ok


def test_flags_are_passed_on(own: Cluster) -> None:
    """A flag given in the options takes effect at the next start of the API server, and may be repeated."""
    flags = ("--anonymous-auth=false", "--enable-admission-plugins=AlwaysPullImages")
    own.restart_api_server(dataclasses.replace(OPTIONS, api_server_flags=flags), kill=True)
    assert own.client(token="nonsense").request("GET", "/readyz").status == 401
    container = {"name": "c", "image": "example.test/image:1", "imagePullPolicy": "Never"}
    body = {"metadata": {"name": "p"}, "spec": {"containers": [container]}}
    pod = own.client().request("POST", "/api/v1/namespaces/default/pods?dryRun=All", body).body
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == "Always"


def test_a_wrong_flag_is_a_clear_error(own: Cluster) -> None:
    """A component that dies at its start is named, with its last words and its log; one may try again."""
    with pytest.raises(ProcessFailed) as failure:
        own.restart_api_server(dataclasses.replace(OPTIONS, api_server_flags=("--no-such-flag",)), kill=True)
    text = str(failure.value)
    assert text.startswith("kube-apiserver ended with status 1. The last lines of ")
    assert "unknown flag: --no-such-flag" in text
    log = Path(text.partition("The last lines of ")[2].partition(":\n")[0])
    assert "unknown flag: --no-such-flag" in log.read_text()
    own.options = OPTIONS
    own.start_api_server()
    assert own.client().request("GET", "/readyz").ok


def test_bearer_tokens_are_reviewed_by_the_webhook(own: Cluster, tmp_path: Path) -> None:
    """The API server posts a TokenReview, version 1, to the given address and takes the answer's user."""
    with TokenReviewer(own) as reviewer:
        webhook = AuthenticationWebhook(reviewer.url, own.files.authority.certificate)
        own.restart_api_server(dataclasses.replace(OPTIONS, authentication_webhook=webhook), kill=True)
        said = own.kubectl("auth", "whoami", "-o", "json", kubeconfig=own.bearer("open-sesame"))
        assert json.loads(said.stdout)["status"]["userInfo"]["username"] == "ali baba"
        assert own.client(token="wrong").request("GET", "/api").status == 401
    assert [review["apiVersion"] for review in reviewer.reviews] == ["authentication.k8s.io/v1"] * 2
    assert [review["spec"]["token"] for review in reviewer.reviews] == ["open-sesame", "wrong"]


def test_two_control_planes_do_not_meet(own: Cluster, cluster: Cluster) -> None:
    """Two run together, each with its port, its data and its certificate authority."""
    assert own.url != cluster.url
    name = cluster.create_namespace()
    assert own.client().request("GET", f"/api/v1/namespaces/{name}").status == 404
    trusting_the_wrong_one = ApiClient(
        LOOPBACK, _port(cluster), certificate_authority=own.files.authority.certificate
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        trusting_the_wrong_one.request("GET", "/api")
    cluster.client().request("DELETE", f"/api/v1/namespaces/{name}")


def test_given_binaries_are_run(binaries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With KUBEBUILDER_ASSETS set, the programs there are run, and everything ends with the block."""
    given = tmp_path / "assets"
    given.mkdir()
    for name in build.PACKAGES:
        (given / name).symlink_to(binaries / name)
    monkeypatch.setenv(build.ASSETS, str(given))
    with Cluster() as cluster:
        directory, pids = cluster.directory, [process.pid for process in cluster.processes]
        for process in cluster.processes:
            command = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")[0]
            assert command == os.fsencode(given / process.name)
        assert len(pids) == 3
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not any(map(is_running, pids))
    assert not directory.exists()
    cluster.stop()


def test_nothing_survives_a_killed_owner(binaries: Path) -> None:
    """SIGKILL of the process that started a control plane ends all six processes within seconds."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(HACK), build.ASSETS: str(binaries)},
    )
    assert owner.stdout is not None
    with owner.stdout as said:
        *numbers, directory = said.readline().split()
    pids = [int(number) for number in numbers]
    assert len(set(pids)) == 6
    assert all(map(is_running, pids))
    owner.kill()
    owner.wait()
    assert wait_until_gone(pids, 5) == []
    assert Path(directory).exists()
    # The next process cleans up.
    Cluster(binaries=binaries).stop()
    assert not Path(directory).exists()


def test_a_failed_start_leaves_no_process(binaries: Path, tmp_path: Path) -> None:
    """When the API server cannot start, etcd is ended too, and the logs stay for anyone who reads the error."""
    cluster = Cluster(Options(api_server_flags=("--no-such-flag",)), binaries=binaries)
    with pytest.raises(ProcessFailed, match="unknown flag"):
        cluster.start()
    assert cluster.processes == ()
    assert (cluster.directory / "etcd.log").exists()
    wait_until(lambda: not _commands_in(cluster.directory), what="every process to end", timeout=5)
    cluster.stop()
    assert not cluster.directory.exists()


class TokenReviewer:
    """A webhook that knows one token and keeps the reviews that it got; its certificate is the cluster's."""

    def __init__(self, cluster: Cluster) -> None:
        self.reviews: list[dict[str, Any]] = []
        reviewer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reviewer.reviews.append(review)
                known = review["spec"]["token"] == "open-sesame"
                review["status"] = {"authenticated": known, "user": {"username": "ali baba"} if known else {}}
                body = json.dumps(review).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
                pass

        self._server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
        pair = cluster.files.authority.server("token-reviewer")
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(pair.certificate, pair.key)
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://{LOOPBACK}:{self._server.server_port}/authenticate"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _port(cluster: Cluster) -> int:
    return int(cluster.url.rpartition(":")[2])


def _hangs(port: int) -> bool:
    """Say whether the server takes a connection and does not answer nonsense."""
    with socket.create_connection((LOOPBACK, port), timeout=0.3) as connection:
        connection.sendall(b"hello")
        try:
            connection.recv(1)
        except TimeoutError:
            return True
    return False


def _commands_in(directory: Path) -> list[bytes]:
    """The command lines, of all running processes, that name the directory."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_bytes())
        except OSError:
            continue  # ended just now
    return [line for line in lines if os.fsencode(directory) in line]
