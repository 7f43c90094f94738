"""What must run before the story begins: control plane, CRDs, operator and validator, all on loopback."""

import contextlib
import http.client
import shlex
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from controlplane.cluster import START_SECONDS, AuthenticationWebhook, Cluster, Options
from controlplane.ports import LOOPBACK, free_ports
from controlplane.processes import Process, ProcessFailed
from controlplane.waiting import wait_until
from demo.binaries import Binaries
from demo.screen import Screen
from demo.shell import Shell

ROOT: Final = Path(__file__).resolve().parents[2]
# Where pip has installed `servicetokens`, next to the Python that runs this.
BINARIES: Final = Path(sys.executable).parent
NAMESPACE: Final = "servicetokens"
# The processes themselves need about a second; a busy machine many times that.
READY_SECONDS: Final = 30


class Stage:
    """Starts everything in the order of a real installation, and ends everything, however the demo ends."""

    def __init__(self, screen: Screen, binaries: Binaries) -> None:
        self._screen = screen
        self._binaries = binaries
        self._kubernetes = binaries.directory
        self._exit = contextlib.ExitStack()
        self._ours: list[tuple[Process, str]] = []
        review, forward_auth, operator_health, validator_health = free_ports(4)
        self.token_review = f"{LOOPBACK}:{review}"
        self.forward_auth = f"{LOOPBACK}:{forward_auth}"
        self.operator_health = f"{LOOPBACK}:{operator_health}"
        self.validator_health = f"{LOOPBACK}:{validator_health}"
        self.shell = Shell(screen, root=ROOT, path=(self._kubernetes, BINARIES))

    def __enter__(self) -> Self:
        try:
            self._start_control_plane()
            self._install()
            self._start_ours()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def show_addresses(self) -> None:
        """Print where everything is; the last lines are to be pasted into a second terminal."""
        self._screen.headline("Everything is still running. Ctrl-C here stops it.")
        self._screen.address("kube-apiserver", self._cluster.url)
        self._screen.address("forward-auth", f"http://{self.forward_auth}/validate")
        self._screen.address("token review", f"https://{self.token_review}/authenticate")
        self._screen.address("logs (*.log)", str(self._cluster.directory))
        self._screen.headline(
            "To continue, with README.md or docs/get-started/tutorial.md, paste into a second terminal:"
        )
        for line in self.exports():
            self._screen.line(line)

    def exports(self) -> list[str]:
        """Return the lines that make a second terminal one in which the pages' commands work."""
        variables = {
            "PATH": f"{BINARIES}:{self._kubernetes}:$PATH",
            "OPERATOR_HEALTH": self.operator_health,
            "VALIDATOR_HEALTH": self.validator_health,
            "KUBECONFIG": str(self._cluster.kubeconfig),
            "VALIDATOR": self.forward_auth,
        }
        return [f'export {name}="{value}"' for name, value in variables.items()]

    def _start_control_plane(self) -> None:
        self._screen.step(
            "Start a Kubernetes control plane: etcd and kube-apiserver",
            "the API server is a real one, with our webhook configured",
        )
        self._cluster = Cluster(binaries=self._kubernetes, has_controllers=self._binaries.has_controllers)
        self._exit.callback(self._cluster.stop)
        authority = self._cluster.files.authority
        self._certificate = authority.server("validator")
        # The API server asks this address about every bearer token that it does not know itself.
        self._cluster.options = Options(
            authentication_webhook=AuthenticationWebhook(
                url=f"https://{self.token_review}/authenticate", certificate_authority=authority.certificate
            )
        )
        start = time.monotonic()
        with self._screen.waiting("the API server to be ready", START_SECONDS):
            self._cluster.start()
        # kubectl's cache of kinds is removed with the cluster; that of the user's own clusters is not touched.
        cache = self._cluster.directory / "kubectl-cache"
        self.shell.export(
            {
                "KUBECONFIG": str(self._cluster.kubeconfig),
                "KUBECACHEDIR": str(cache),
                # Knows where the API server is, and no user.
                "ANONYMOUS": str(self._cluster.bearer("")),
            }
        )
        self.shell.run("kubectl version")
        self._screen.prove(
            self.shell.succeeds("kubectl get --raw /readyz"), f"ready after {time.monotonic() - start:.1f} s"
        )

    def _install(self) -> None:
        self._screen.step("Install the three kinds", "the API server accepts the CRDs and serves them")
        self.shell.run("servicetokens crds | kubectl apply --server-side -f -")
        self.shell.run("servicetokens crds | kubectl wait --for=condition=Established --timeout=20s -f -")
        self.shell.run("kubectl api-resources --api-group=servicetokens.dev")
        self._screen.prove(True, "all three are established")
        if self._binaries.has_controllers:
            # It looks for new kinds every 30 s only; a user who continues by hand wants garbage collected immediately.
            self._cluster.restart_controllers()

    def _start_ours(self) -> None:
        self._screen.step("Start the operator and a validator", "both become ready")
        self.shell.run(f"kubectl create namespace {NAMESPACE}")
        start = time.monotonic()
        self._run("operator", self.operator_health)
        self._run(
            "validator",
            self.validator_health,
            *("--forward-auth-address", self.forward_auth),
            *("--token-review-address", self.token_review),
            *("--ext-authz-address", "", "--introspection-address", ""),
            *("--tls-cert-file", str(self._certificate.certificate)),
            *("--tls-key-file", str(self._certificate.key)),
        )
        for process, health in self._ours:
            with self._screen.waiting(f"the {process.name} to be ready", READY_SECONDS):
                self._wait_until_ready(process, health)
        self._screen.prove(True, f"both ready after {time.monotonic() - start:.1f} s")

    def _run(self, name: str, health: str, *flags: str) -> None:
        arguments = [name, "--kubeconfig", str(self._cluster.kubeconfig), "--namespace", NAMESPACE]
        arguments += [*flags, "--health-address", health]
        self._screen.command(f"servicetokens {shlex.join(arguments)} &")
        process = Process(
            name, [BINARIES / "servicetokens", *arguments], log=self._cluster.directory / f"{name}.log"
        )
        self._exit.enter_context(process)
        self._ours.append((process, health))

    def _wait_until_ready(self, process: Process, health: str) -> None:
        def ready() -> bool:
            process.raise_if_ended()
            return _is_ready(health)

        try:
            wait_until(ready, what=f"the {process.name} to be ready", timeout=READY_SECONDS)
        except TimeoutError as error:
            message = f"{error}. The last lines of its log:\n{process.tail()}"
            raise ProcessFailed(message) from None


def _is_ready(health: str) -> bool:
    connection = http.client.HTTPConnection(health, timeout=READY_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
