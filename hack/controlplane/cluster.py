"""A control plane on loopback: etcd, kube-apiserver, kube-controller-manager. Ready in about three seconds.

    with Cluster(Options(audit=True)) as cluster:
        cluster.kubectl("apply", "-f", "-", input=manifest)
        cluster.client().request("GET", "/api/v1/namespaces/default")

No nodes, so pods stay Pending. It uses no fixed port, writes into one temporary directory only, and ends
with the process that started it.
"""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from types import TracebackType
from typing import Self

from controlplane import build, components
from controlplane.audit import AuditLog
from controlplane.certificates import KeyPair
from controlplane.client import Answer, ApiClient
from controlplane.components import AuthenticationWebhook, Files, Options
from controlplane.kubeconfig import write_kubeconfig
from controlplane.kubectl import KubectlFailed, run_kubectl
from controlplane.ports import LOOPBACK, ReservedPort
from controlplane.processes import Process, ProcessFailed
from controlplane.scratch import ScratchDirectory
from controlplane.waiting import wait_until

__all__ = ["AuthenticationWebhook", "Cluster", "KubectlFailed", "Options", "ProcessFailed"]

START_SECONDS = 60.0  # twenty times what it takes on two idle cores: machines that run tests are seldom idle
DRAIN_SECONDS = 15.0  # the server finishes running requests; watches are cut immediately
# How much a Go program's heap grows before garbage is collected (default: 100). A server that starts and lives for
# minutes then needs an eighth less CPU, and 80 MB more memory (kube-apiserver: 350 instead of 270, measured).
GARBAGE_PERCENT = "400"
ADMINISTRATOR = ("servicetokens-tests", ("system:masters",))


class Cluster:
    """One control plane, started with `with` or `start`. Its address, keys and users exist before it runs.

    `options` is read whenever the API server starts. Not thread-safe.

    Raises:
        build.ControlPlaneMissing: the binaries are missing; the message says how to get them.
    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        binaries: Path | None = None,
        has_controllers: bool = True,
    ) -> None:
        self.options = options or Options()
        self._binaries = binaries or build.find()
        # False only where the binary does not exist: nothing collects garbage then.
        self._has_controllers = has_controllers
        self._scratch = ScratchDirectory()
        self._port = ReservedPort()
        self.files = Files.create(self._scratch.path)
        self._running: dict[str, Process] = {}
        self._certificates: dict[tuple[str, tuple[str, ...]], KeyPair] = {}
        self._clients: dict[tuple[str, tuple[str, ...]], ApiClient] = {}
        self.kubeconfig: Path = self.user(*ADMINISTRATOR)
        """Kubeconfig of an administrator (group system:masters)."""
        self.audit = AuditLog(self.files.audit_log, self._get)
        """The audit log, which exists with `Options.audit` only."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Starting and stopping.

    def start(self) -> None:
        """Start everything; return when requests are served and garbage is collected.

        When a component does not start, the others are ended, and this cluster is of no more use. Its
        directory with the logs stays until `stop`, or until a later process makes a cluster.

        Raises:
            ProcessFailed: a component ended; the message holds its last words and where its log is.
            TimeoutError: a component did not get ready; the message holds the same.
        """
        try:
            self._run("etcd", components.etcd(self.files.root))
            self.start_api_server()
            if self._has_controllers:
                self.start_controllers()
        except BaseException:
            self._kill_everything()
            self._port.release()  # `with` calls no __exit__ after this
            raise

    def stop(self) -> None:
        """Stop everything immediately and remove its directory. Idempotent."""
        for client in self._clients.values():
            client.close()
        self._kill_everything()
        self._port.release()
        self._scratch.remove()

    def start_api_server(self) -> None:
        """Start the API server, on the same port as before, and return when it is ready. Raises as `start`."""
        flags = components.api_server(self.files, self._port.number, self.options)
        process = self._run("kube-apiserver", flags)
        self._wait_for(process, "to serve requests", self._api_is_ready)

    def stop_api_server(self, *, kill: bool = False) -> None:
        """Stop it in order or, with `kill`, by SIGKILL. The rest goes on, and the port stays ours."""
        process = self._running.pop("kube-apiserver")
        if kill:
            process.kill()
        else:
            process.stop(DRAIN_SECONDS)

    def restart_api_server(self, options: Options | None = None, *, kill: bool = False) -> None:
        """Stop and start it, with other options if given. Port, data and users stay. Raises as `start`."""
        self.stop_api_server(kill=kill)
        self.options = options or self.options
        self.start_api_server()

    def snapshot(self, directory: Path) -> Path:
        """Copy what etcd stores to *directory*, which must not exist; the API server is away meanwhile."""
        self._stop_storage()
        shutil.copytree(self.directory / "etcd", directory)
        self._start_storage()
        return directory

    def restore(self, directory: Path) -> None:
        """Go back to a `snapshot`: everything that happened since then has not."""
        self._stop_storage()
        shutil.rmtree(self.directory / "etcd")
        shutil.copytree(directory, self.directory / "etcd")
        self._start_storage()

    def _stop_storage(self) -> None:
        self.stop_api_server()
        self.process("etcd").stop()

    def _start_storage(self) -> None:
        self._run("etcd", components.etcd(self.files.root))
        # etcd listens long before the API server asks: that takes it seconds.
        self.start_api_server()

    def start_controllers(self) -> None:
        """Start the controllers and return when they work. Raises as `start`."""
        process = self._run(
            "kube-controller-manager", components.controller_manager(self.files, self.kubeconfig)
        )
        garbage = self._leave_garbage()
        self._wait_for(process, "to collect garbage", lambda: self._get(garbage).status == 404)
        self._wait_for(process, "to equip namespaces", self._namespace_is_equipped)

    def restart_controllers(self) -> None:
        """Stop and start them.

        The garbage collector looks for new kinds every 30 s only, and at its start: restart it after
        the installation of CRDs, to collect their objects' dependents.
        """
        self._running.pop("kube-controller-manager").kill()
        self.start_controllers()

    # Requests.

    @property
    def binaries(self) -> Path:
        """Where kubectl and the servers are."""
        return self._binaries

    @property
    def url(self) -> str:
        """The API server's address, for `--server`."""
        return f"https://{LOOPBACK}:{self._port.number}"

    @property
    def directory(self) -> Path:
        """Logs (`<component>.log`), keys and data, and what others put there. Goes away with the cluster."""
        return self._scratch.path

    @property
    def processes(self) -> tuple[Process, ...]:
        """The components that were started, in that order."""
        return tuple(self._running.values())

    def process(self, name: str) -> Process:
        """A running component by the name of its binary, for example to send SIGSTOP to "kube-apiserver"."""
        return self._running[name]

    def user(self, name: str, groups: tuple[str, ...] = ()) -> Path:
        """A kubeconfig file for that user, who may do what RBAC allows to the name and the groups."""
        certificate = self._certificate(name, groups)
        return write_kubeconfig(
            certificate.key.with_suffix(".kubeconfig"),
            server=self.url,
            certificate_authority=self.files.authority.certificate,
            client=certificate,
        )

    def key_pair(self, name: str, groups: tuple[str, ...] = ()) -> KeyPair:
        """The certificate of that user, for what speaks to the API server in its name."""
        return self._certificate(name, groups)

    def bearer(self, token: str) -> Path:
        """A kubeconfig file whose user presents that bearer token."""
        return write_kubeconfig(
            self.directory / f"bearer-{uuid.uuid4().hex}.kubeconfig",
            server=self.url,
            certificate_authority=self.files.authority.certificate,
            token=token,
        )

    def client(
        self, user: str | None = None, groups: tuple[str, ...] = (), *, token: str | None = None
    ) -> ApiClient:
        """JSON requests as that user or with that bearer token; as the administrator if neither is given."""
        if token is not None:
            return self._new_client(token=token)
        identity = (user, groups) if user else ADMINISTRATOR
        if identity not in self._clients:
            self._clients[identity] = self._new_client(client=self._certificate(*identity))
        return self._clients[identity]

    def kubectl(
        self,
        *arguments: str | Path,
        input: str | None = None,  # noqa: A002 - means what it means in subprocess.run
        check: bool = True,
        kubeconfig: Path | None = None,
    ) -> CompletedProcess[str]:
        """Run kubectl as the administrator, or as the user of `kubeconfig`.

        Raises:
            KubectlFailed: with `check`, on a non-zero status; without, look at `returncode` and `stderr`.
        """
        return run_kubectl(
            self._binaries / "kubectl",
            kubeconfig or self.kubeconfig,
            arguments,
            stdin=input,
            check=check,
            home=self.directory,
        )

    def create_namespace(self, name: str = "") -> str:
        """A new namespace, called `name` or a unique name, which is returned."""
        metadata = {"name": name} if name else {"generateName": "test-"}
        answer = self.client().request("POST", "/api/v1/namespaces", {"metadata": metadata})
        assert answer.ok, answer
        return str(answer.body["metadata"]["name"])

    # Internals.

    def _run(self, name: str, flags: list[str]) -> Process:
        # Not the caller's environment: etcd reads ETCD_*, and Go programs read proxy settings.
        process = Process(
            name,
            [self._binaries / name, *flags],
            log=self.directory / f"{name}.log",
            environment={
                "HOME": str(self.directory),
                "TMPDIR": str(self.directory),
                "GOGC": GARBAGE_PERCENT,
            },
            directory=self.directory,
        )
        self._running[name] = process
        return process

    def _kill_everything(self) -> None:
        while self._running:
            self._running.popitem()[1].kill()

    def _wait_for(self, process: Process, what: str, condition: Callable[[], bool]) -> None:
        def works() -> bool:
            for running in self._running.values():
                running.raise_if_ended()
            return condition()

        try:
            wait_until(works, what=f"{process.name} {what}", timeout=START_SECONDS)
        except TimeoutError as error:
            message = f"{error}. The last lines of {process.log}:\n{process.tail()}"
            self._running.pop(process.name).kill()
            raise TimeoutError(message) from None

    def _new_client(self, *, client: KeyPair | None = None, token: str | None = None) -> ApiClient:
        return ApiClient(
            LOOPBACK,
            self._port.number,
            certificate_authority=self.files.authority.certificate,
            client=client,
            token=token,
        )

    def _certificate(self, name: str, groups: tuple[str, ...]) -> KeyPair:
        identity = (name, groups)
        if identity not in self._certificates:
            # Numbered, since two users may differ in their groups only.
            file = f"user-{len(self._certificates)}"
            self._certificates[identity] = self.files.authority.client(name, groups, file=file)
        return self._certificates[identity]

    def _get(self, path: str) -> Answer:
        return self.client().request("GET", path)

    def _api_is_ready(self) -> bool:
        try:
            return self._get("/readyz").ok
        except OSError:
            return False  # does not listen yet

    def _leave_garbage(self) -> str:
        """Create an object whose owner does not exist, for the collector to remove; return its path."""
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "never-was", "uid": str(uuid.uuid4())}
        metadata = {"generateName": "garbage-", "ownerReferences": [owner]}
        collection = "/api/v1/namespaces/kube-system/configmaps"
        answer = self.client().request("POST", collection, {"metadata": metadata})
        assert answer.ok, answer
        return f"{collection}/{answer.body['metadata']['name']}"

    def _namespace_is_equipped(self) -> bool:
        namespace = "/api/v1/namespaces/default"
        return (
            self._get(f"{namespace}/serviceaccounts/default").ok
            and self._get(f"{namespace}/configmaps/kube-root-ca.crt").ok
        )
