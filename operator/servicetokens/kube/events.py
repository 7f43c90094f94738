"""k8s Events (`events.k8s.io/v1`), as `kubectl describe` and `kubectl events` show them."""

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from servicetokens.api import names
from servicetokens.kube import paths
from servicetokens.kube.client import Api
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.entropy import Entropy

# Bounds of the events.k8s.io API.
_MAX_NOTE: Final = 1024
_MAX_INSTANCE: Final = 128
# An event's name is the object's with this many hexadecimal digits behind it, and may have 253 characters.
_SUFFIX_BYTES: Final = 8
_MAX_PREFIX: Final = 253 - 1 - 2 * _SUFFIX_BYTES

REPORTING_CONTROLLER: Final = f"{names.GROUP}/servicetokens-operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Regarding:
    """The object of our group that an Event is about."""

    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str = ""


class EventRecorder:
    """Sends Events. One is worth a try and no more: status says the same, and stays."""

    def __init__(self, api: Api, *, instance: str, clock: Clock, entropy: Entropy) -> None:
        self._api = api
        self._instance = instance[:_MAX_INSTANCE]
        self._clock = clock
        self._entropy = entropy

    async def send(
        self, regarding: Regarding, kind: Literal["Normal", "Warning"], reason: str, note: str
    ) -> None:
        """Create one Event about *regarding*. Raises `KubeError`."""
        # Events of cluster-scoped objects live in `default` (Kubernetes convention).
        namespace = regarding.namespace or "default"
        moment = dt.datetime.fromtimestamp(self._clock.now(), dt.UTC)
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{regarding.name[:_MAX_PREFIX]}.{self._entropy(_SUFFIX_BYTES).hex()}",
                "namespace": namespace,
            },
            "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
            "type": kind,
            "reason": reason,
            "action": "Reconcile",
            "note": note if len(note) <= _MAX_NOTE else note[: _MAX_NOTE - 1] + "…",
            "reportingController": REPORTING_CONTROLLER,
            "reportingInstance": self._instance,
            "regarding": {
                "apiVersion": names.API_VERSION,
                "kind": regarding.kind,
                "name": regarding.name,
                "uid": regarding.uid,
            }
            | ({"namespace": regarding.namespace} if regarding.namespace else {})
            | ({"resourceVersion": regarding.resource_version} if regarding.resource_version else {}),
        }
        await self._api.request("POST", paths.events(namespace), body=msgspec.json.encode(body))
