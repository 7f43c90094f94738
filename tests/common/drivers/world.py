"""A cluster with our CRDs and roles in it, as users see it: apply, look, wait. And operators to run on it."""

import base64
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from common.builders.stored import COMMON_ROLE, store_common_role
from common.drivers.operators import OperatorThread, RunningOperator, operator_command
from common.fakes.clock import FakeClock
from common.repository import ROOT
from controlplane.client import Answer
from controlplane.cluster import Cluster, Options
from controlplane.crds import install_crds
from controlplane.ports import free_ports
from controlplane.processes import Process
from controlplane.waiting import wait_until
from servicetokens.api.names import API_VERSION, KEYS_SECRET, KIND_TOKEN
from servicetokens.api.values import format_time, parse_recorded_time
from servicetokens.kube import crds
from servicetokens.tokens.verifier import KeyRing

GROUP: Final = f"/apis/{API_VERSION}"
HOME: Final = "servicetokens"
OPERATOR: Final = "system:serviceaccount:servicetokens:servicetokens-operator"
VALIDATOR: Final = "system:serviceaccount:servicetokens:servicetokens-validator"
GROUPS: Final = ("system:serviceaccounts", "system:serviceaccounts:servicetokens", "system:authenticated")


class World:
    """What tests do to one cluster. Every call is a request or two of some milliseconds."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client = cluster.client()

    def install(self) -> None:
        """Install the CRDs, the namespace of the operator and its rights."""
        install_crds(self.cluster, ROOT / "crds")
        self.cluster.kubectl("create", "namespace", HOME)
        self.install_rights()

    def install_rights(self) -> None:
        """Bind what `config/` grants for the whole cluster, with its policies, also again."""
        self.apply_config("rbac/rbac.yaml", "rbac/rbac-cluster.yaml", "policies/policies.yaml")

    def apply_config(self, *files: str, namespace: str = "") -> None:
        """Apply files of `config/`, as the README says."""
        flags = [flag for file in files for flag in ("-f", str(ROOT / "config" / file))]
        self.cluster.kubectl("apply", *(["-n", namespace] if namespace else []), *flags)

    # Applying.

    def account(self, namespace: str, name: str = "ci", **spec: Any) -> str:
        """Create an account and return its uid. Unless *spec* names roles, it has one that allows every request."""
        if "roles" not in spec:
            store_common_role(self.client)
            spec["roles"] = [COMMON_ROLE]
        return str(
            self._create("serviceaccounts", "ServiceAccount", namespace, name, spec)["metadata"]["uid"]
        )

    def role(self, name: str, **spec: Any) -> None:
        """Create a role for all namespaces, unless *spec* says otherwise."""
        self._create("serviceroles", "ServiceRole", "", name, {"allowedNamespaces": ["*"], **spec})

    def token(self, namespace: str, name: str = "ci-prod", account: str = "ci", **spec: Any) -> None:
        """Create a token that lives for 30 days, unless *spec* says otherwise."""
        end = {} if "expirationTime" in spec else {"expiresAfter": "30d"}
        self._create(
            "servicetokens", "ServiceToken", namespace, name, {"accountRef": {"name": account}, **end, **spec}
        )

    def change(
        self, namespace: str, name: str = "ci-prod", plural: str = "servicetokens", **spec: Any
    ) -> None:
        """Merge *spec* into the spec; None removes a field."""
        path = self.path(plural, namespace, name)
        self.ok("PATCH", path, {"spec": spec})

    def edit_status(self, namespace: str, status: Mapping[str, Any], name: str = "ci-prod") -> None:
        """Merge *status* into a token's status, as a user with that right could."""
        path = self.path("servicetokens", namespace, name) + "/status"
        self.ok("PATCH", path, {"status": dict(status)})

    def delete(self, plural: str, namespace: str, name: str) -> None:
        """Delete one of our objects."""
        self.ok("DELETE", self.path(plural, namespace, name))

    def edit_secret(self, namespace: str, patch: Mapping[str, Any], name: str = "ci-prod") -> None:
        """Merge *patch* into a Secret."""
        self.ok("PATCH", f"/api/v1/namespaces/{namespace}/secrets/{name}", patch)

    def delete_secret(self, namespace: str, name: str = "ci-prod") -> None:
        """Delete a Secret."""
        self.ok("DELETE", f"/api/v1/namespaces/{namespace}/secrets/{name}")

    def create_secret(self, namespace: str, secret: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create a Secret."""
        return dict(self.ok("POST", f"/api/v1/namespaces/{namespace}/secrets", secret).body)

    # Looking.

    def get(self, namespace: str, name: str = "ci-prod", plural: str = "servicetokens") -> dict[str, Any]:
        """Return one of our objects."""
        return dict(self.ok("GET", self.path(plural, namespace, name)).body)

    def status(self, namespace: str, name: str = "ci-prod") -> dict[str, Any]:
        """Return a token's status."""
        return dict(self.get(namespace, name).get("status") or {})

    def condition(self, namespace: str, wanted: str, name: str = "ci-prod") -> dict[str, Any]:
        """Return a condition of a token; an empty one when it has none of that type."""
        found = self.status(namespace, name).get("conditions") or []
        return next((condition for condition in found if condition["type"] == wanted), {})

    def secret(self, namespace: str, name: str = "ci-prod") -> dict[str, Any] | None:
        """Return a Secret, or None when it does not exist."""
        answer = self.client.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return dict(answer.body) if answer.ok else None

    def value(self, namespace: str, name: str = "ci-prod") -> str:
        """Return the token in a Secret, or nothing when there is none."""
        return decode((self.secret(namespace, name) or {}).get("data", {}).get("token", ""))

    def keys(self) -> KeyRing:
        """Return the operator's keys."""
        return KeyRing.from_secret_data((self.secret(HOME, KEYS_SECRET) or {})["data"])

    def holds(self, namespace: str, name: str = "ci-prod") -> bool:
        """Say whether there is a token, and the Secret's value is that of the current credential on status."""
        serial = self.serial_of(self.value(namespace, name), namespace, name)
        return serial is not None and serial == self.status(namespace, name).get("serial")

    def serial_of(self, value: str, namespace: str, name: str = "ci-prod") -> int | None:
        """Return which credential on the token's status *value* is, if any that has not ended."""
        token, keys = self.get(namespace, name), self.keys()
        for credential in token.get("status", {}).get("credentials") or []:
            stored = credential["verifier"]
            end = credential.get("expirationTime")
            if keys.verify(
                stored["value"], stored["keyID"], token["metadata"]["uid"], credential["serial"], value
            ):
                return (
                    int(credential["serial"])
                    if end is None or parse_recorded_time(end) > time.time()
                    else None
                )
        return None

    def events(self, namespace: str, name: str = "ci-prod") -> list[str]:
        """Return the reasons of the k8s Events about a token, the oldest first, each as often as it happened."""
        items = self.ok("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events").body["items"]
        ours = [event for event in items if event["regarding"]["name"] == name]
        return [
            str(event["reason"])
            for event in sorted(ours, key=lambda event: str(event["eventTime"]))
            for _ in range((event.get("series") or {}).get("count", 1))
        ]

    # Waiting.

    def is_settled(self, namespace: str, name: str = "ci-prod") -> bool:
        """Say whether the operator has answered the present spec."""
        token = self.get(namespace, name)
        status = token.get("status") or {}
        return bool(status.get("observedGeneration") == token["metadata"]["generation"])

    def until(self, condition: Callable[[], Any], what: str, timeout: float = 15) -> Any:
        """Wait for *condition*; a busy machine gets many times what it takes."""
        return wait_until(condition, what=what, timeout=timeout)

    def until_ready(self, namespace: str, name: str = "ci-prod", reason: str = "Minted") -> str:
        """Wait until a token is Ready for its present spec and its Secret holds it; return its value."""

        def ready() -> bool:
            condition = self.condition(namespace, "Ready", name)
            return (
                self.is_settled(namespace, name)
                and (condition.get("status"), condition.get("reason")) == ("True", reason)
                and self.holds(namespace, name)
            )

        self.until(ready, f"{namespace}/{name} to be ready")
        return self.value(namespace, name)

    def until_reason(self, namespace: str, wanted: str, reason: str, name: str = "ci-prod") -> dict[str, Any]:
        """Wait until a condition of a token has *reason* for its present spec, and return it."""

        def has_it() -> dict[str, Any]:
            condition = self.condition(namespace, wanted, name)
            is_it = self.is_settled(namespace, name) and condition.get("reason") == reason
            return condition if is_it else {}

        found: dict[str, Any] = self.until(has_it, f"{wanted} of {namespace}/{name} to say {reason}")
        return found

    # Running.

    @contextlib.contextmanager
    def operator(
        self, log: Path, *flags: str, user: str = OPERATOR, wait: bool = True
    ) -> Iterator[RunningOperator]:
        """Run an operator as a process of its own, under its own identity, until the context ends."""
        (port,) = free_ports(1)
        arguments = operator_command(self.cluster.user(user, GROUPS), port, *flags)
        with Process("operator", arguments, log=log) as process:
            running = RunningOperator(process, port)
            if wait:
                self.until(running.is_ready, "the operator to be ready", timeout=30)
            yield running

    @contextlib.contextmanager
    def operator_in_process(
        self, clock: FakeClock, namespace: str, *, schema_period: float = crds.CHECK_SECONDS
    ) -> Iterator[OperatorThread]:
        """Run an operator for *namespace* in a thread, by *clock*: for what takes days."""
        kubeconfig = str(self.cluster.user(OPERATOR, GROUPS))
        thread = OperatorThread(kubeconfig, clock, namespace, schema_period)
        thread.start()
        try:
            self.until(thread.is_ready, "the operator to be ready", timeout=30)
            yield thread
        finally:
            thread.end()

    # Helpers.

    def path(self, plural: str, namespace: str, name: str = "") -> str:
        """Return the path of our objects; *namespace* is empty for roles."""
        place = f"/namespaces/{namespace}" if namespace else ""
        return f"{GROUP}{place}/{plural}" + (f"/{name}" if name else "")

    def ok(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a request that must succeed."""
        answer = self.client.request(method, path, body)
        assert answer.ok, (method, path, answer)
        return answer

    def owner(self, namespace: str, name: str = "ci-prod") -> dict[str, Any]:
        """Return the reference by which a Secret belongs to a token."""
        uid = self.get(namespace, name)["metadata"]["uid"]
        return {
            "apiVersion": API_VERSION,
            "kind": KIND_TOKEN,
            "name": name,
            "uid": uid,
            "controller": True,
        }

    def _create(self, plural: str, kind: str, namespace: str, name: str, spec: Any) -> dict[str, Any]:
        body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
        return dict(self.ok("POST", self.path(plural, namespace), body).body)


@contextlib.contextmanager
def world_of(binaries: Path, options: Options | None = None) -> Iterator[World]:
    """Start a cluster with CRDs, rights and policies in it."""
    with Cluster(options, binaries=binaries) as cluster:
        world = World(cluster)
        world.install()
        yield world


def unsettled(world: World, namespace: str) -> list[str]:
    """Return the tokens whose Secret does not hold the one credential on their status."""
    keys = world.keys()
    tokens = world.ok("GET", world.path("servicetokens", namespace)).body["items"]
    values = {
        secret["metadata"]["name"]: decode(secret["data"]["token"])
        for secret in world.ok("GET", f"/api/v1/namespaces/{namespace}/secrets").body["items"]
        if secret["type"] == "servicetokens.dev/token"
    }
    found = []
    for token in tokens:
        name, uid = token["metadata"]["name"], token["metadata"]["uid"]
        credentials = token.get("status", {}).get("credentials") or []
        held = [
            credential
            for credential in credentials
            if keys.verify(
                credential["verifier"]["value"],
                credential["verifier"]["keyID"],
                uid,
                credential["serial"],
                values.get(name, ""),
            )
        ]
        if not held or held != credentials:
            found.append(name)
    return found


def decode(text: str) -> str:
    """Return a value of a Secret in plain text."""
    return base64.b64decode(text).decode()


def encode(text: str) -> str:
    """Return plain text as a Secret holds it."""
    return base64.b64encode(text.encode()).decode()


def in_seconds(seconds: int) -> str:
    """Return the moment *seconds* from now, as people write it."""
    return format_time(int(time.time()) + seconds)
