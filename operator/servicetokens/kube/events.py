"""k8s Events (`events.k8s.io/v1`), as `kubectl describe` and `kubectl events` show them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import msgspec

from servicetokens.api import names
from servicetokens.api.values import format_micro_time
from servicetokens.kube import paths
from servicetokens.kube.client import Api
from servicetokens.kube.correlation import Correlator, Series
from servicetokens.kube.errors import KubeError, NotFound
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.entropy import Entropy

# Bounds of the events.k8s.io API, in bytes of UTF-8.
_MAX_NOTE: Final = 1024
_MAX_INSTANCE: Final = 128
# An event's name is the object's with this many hexadecimal digits behind it, and may have 253 characters.
_SUFFIX_BYTES: Final = 8
_MAX_PREFIX: Final = 253 - 1 - 2 * _SUFFIX_BYTES

REPORTING_CONTROLLER: Final = f"{names.GROUP}/servicetokens-operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Regarding:
    """The object that an Event is about; of our group, unless `api_version` says otherwise."""

    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str = ""
    api_version: str = names.API_VERSION


Outcome = Literal["sent", "repeated", "dropped", "failed"]


class EventSender(Protocol):
    """Sends Events; see `EventRecorder`."""

    async def send(
        self, regarding: Regarding, kind: Literal["Normal", "Warning"], reason: str, note: str
    ) -> None:
        """Send one about *regarding*; raises `KubeError`."""
        ...


class EventRecorder:
    """Sends Events, with one attempt each: status contains the same, and is kept.

    *outcome* is called with the result of each.
    """

    def __init__(
        self,
        api: Api,
        *,
        instance: str,
        clock: Clock,
        entropy: Entropy,
        outcome: Callable[[Outcome], object] = lambda _: None,
    ) -> None:
        self._api = api
        self._instance = instance[:_MAX_INSTANCE]
        self._clock = clock
        self._entropy = entropy
        self._outcome = outcome
        self._correlator = Correlator()

    async def send(
        self, regarding: Regarding, kind: Literal["Normal", "Warning"], reason: str, note: str
    ) -> None:
        """Create one Event about *regarding*, or increment the one with the same content. Raises `KubeError`."""
        now = self._clock.monotonic()
        if not self._correlator.admits(regarding.uid, now):
            self._outcome("dropped")
            return
        try:
            self._outcome(await self._write(regarding, kind, reason, _shorten(note), now))
        except KubeError:
            self._outcome("failed")
            raise

    async def _write(self, regarding: Regarding, kind: str, reason: str, note: str, now: float) -> Outcome:
        # Events of cluster-scoped objects live in `default` (Kubernetes convention).
        namespace = regarding.namespace or "default"
        key = (regarding.uid, kind, reason, note)
        series = self._correlator.repeated(key, now)
        if series is not None:
            try:
                await self._count(namespace, series)
            except NotFound:
                # Events live for an hour, by the API server's default.
                self._correlator.lost(key)
            else:
                return "repeated"
        name = f"{regarding.name[:_MAX_PREFIX]}.{self._entropy(_SUFFIX_BYTES).hex()}"
        body = self._body(namespace, name, regarding, kind, reason, note)
        await self._api.request("POST", paths.events(namespace), body=msgspec.json.encode(body))
        self._correlator.sent(key, name, now)
        return "sent"

    async def _count(self, namespace: str, series: Series) -> None:
        body = {"series": {"count": series.count, "lastObservedTime": self._moment()}}
        await self._api.request("PATCH", paths.events(namespace, series.name), body=msgspec.json.encode(body))

    def _body(
        self, namespace: str, name: str, regarding: Regarding, kind: str, reason: str, note: str
    ) -> dict[str, Any]:
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "eventTime": self._moment(),
            "type": kind,
            "reason": reason,
            "action": "Reconcile",
            "note": note,
            "reportingController": REPORTING_CONTROLLER,
            "reportingInstance": self._instance,
            "regarding": {
                "apiVersion": regarding.api_version,
                "kind": regarding.kind,
                "name": regarding.name,
                "uid": regarding.uid,
            }
            | ({"namespace": regarding.namespace} if regarding.namespace else {})
            | ({"resourceVersion": regarding.resource_version} if regarding.resource_version else {}),
        }

    def _moment(self) -> str:
        return format_micro_time(self._clock.now())


def _shorten(note: str) -> str:
    """Return *note*, or as much of its beginning as the API server takes."""
    written = note.encode()
    if len(written) <= _MAX_NOTE:
        return note
    ellipsis = "…"
    # A character that would be cut is left out.
    return written[: _MAX_NOTE - len(ellipsis.encode())].decode(errors="ignore") + ellipsis
