"""An API server that is a few dictionaries: it implements the protocols of `servicetokens.kube`.

What it stores are objects as they are on the wire. It keeps the rules that the product relies on: one number that every
write increases, names that are taken, and preconditions. It checks nothing else, and answers without waiting. Every
request passes `_begin` and, if it wrote something, `_end`: that is where tests make requests fail.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from servicetokens.kube.errors import AlreadyExists, ApiUnavailable, Conflict, KubeError, NotFound
from servicetokens.kube.leases import Lease

T = TypeVar("T")
Raw = dict[str, Any]
Place = tuple[str, str, str]
"""Plural, namespace (empty for cluster-scoped objects) and name."""

SECRETS: Final = "secrets"
# What requests for an object of a kind are called; others are called by their plural.
_SINGULAR: Final = {
    SECRETS: "secret",
    "servicetokens": "token",
    "serviceaccounts": "account",
    "serviceroles": "role",
}
_WRITES: Final = frozenset({"put status", "create secret", "patch secret"})
_NO_ANSWER: Final = "the API server did not answer"
_MODIFIED: Final = "the object has been modified"
_TAKEN: Final = "already exists"


class FakeApi:
    """All objects, the requests so far, and which of them fail.

    A request is called by what it does, as in `get token`, `create secret` or `put lease`; the dry run of a creation
    is `rehearse secret`.
    """

    def __init__(self, version: int = 10) -> None:
        self.objects: dict[Place, Raw] = {}
        self.leases: dict[str, Lease] = {}
        self.events: list[str] = []
        self.version = version
        self.calls: list[str] = []
        #: What was read.
        self.asked: list[Place] = []
        #: The next request of that name fails, once.
        self.fails: dict[str, KubeError] = {}
        #: With this, such a request takes effect nevertheless, as when its answer was lost.
        self.applied = False
        #: The number of the next write of a status or a Secret that gets no answer, counted from now on.
        self.fails_at: int | None = None
        #: Every request of that name is rejected, as by a quota.
        self.rejects: dict[str, KubeError] = {}
        #: No request is answered.
        self.is_down = False
        #: What each write of a Secret asked failures not to quote.
        self.hidden: list[Sequence[bytes] | None] = []
        #: These are called before a request takes effect, and after it has; what they raise is its answer.
        self.before: Callable[[str], object] = _nothing
        self.after: Callable[[str], object] = _nothing
        self.custom = Objects(self)
        self.secrets = Secrets(self)
        self.lease_store = Leases(self)

    # What users and other programs do.

    def put(self, place: Place, raw: Mapping[str, Any]) -> Raw:
        """Store an object, at a new version. One that is new gets a uid, unless it has one."""
        known = self.objects.get(place, {}).get("metadata", {})
        _, namespace, name = place
        metadata = {"uid": known.get("uid") or f"uid-{name}-{self.version + 1}", **raw.get("metadata", {})}
        metadata |= {"name": name, "resourceVersion": self.change()}
        if namespace:
            metadata["namespace"] = namespace
        self.objects[place] = {**raw, "metadata": metadata}
        return self.objects[place]

    def remove(self, place: Place) -> None:
        """Delete an object, if it exists."""
        if self.objects.pop(place, None) is not None:
            self.change()

    def change(self) -> str:
        """Increase the version, as any write does, and return it."""
        self.version += 1
        return str(self.version)

    async def send(self, _regarding: object, _kind: str, reason: str, _note: str) -> None:
        """Note the reason of an Event; see `EventSender`."""
        self._begin("event")
        self.events.append(reason)

    # Requests.

    def _begin(self, verb: str, plural: str = "") -> str:
        call = f"{verb} {_SINGULAR.get(plural, plural)}".rstrip()
        self.calls.append(call)
        if self.is_down:
            raise ApiUnavailable(_NO_ANSWER)
        self.before(call)
        if self.fails_at is not None and call in _WRITES:
            if self.fails_at == 0:
                self.fails[call] = ApiUnavailable(_NO_ANSWER)
            self.fails_at = self.fails_at - 1 if self.fails_at else None
        if call in self.rejects:
            # Without the frames of the last time, of which there may be thousands.
            raise self.rejects[call].with_traceback(None)
        if call in self.fails and not self.applied:
            raise self.fails.pop(call)
        return call

    def _end(self, call: str) -> None:
        self.after(call)
        if call in self.fails:
            raise self.fails.pop(call)

    def _read(self, place: Place) -> Raw:
        self.asked.append(place)
        self._begin("get", place[0])
        return self._find(place)

    def _find(self, place: Place) -> Raw:
        if place not in self.objects:
            message = f"{place} does not exist"
            raise NotFound(message)
        return self.objects[place]

    def _seen_at(self, place: Place, resource_version: str) -> Raw:
        """Return what is stored at *place*, if it has not changed since then."""
        found = self._find(place)
        if found["metadata"]["resourceVersion"] != resource_version:
            raise Conflict(_MODIFIED)
        return found


class Objects:
    """Objects of our group; implements `ObjectReader` and `StatusWriter`."""

    def __init__(self, api: FakeApi) -> None:
        self._api = api

    async def get(self, plural: str, namespace: str, name: str) -> Mapping[str, Any]:
        """See `ObjectReader`."""
        return self._api._read((plural, namespace, name))

    async def put_status(
        self,
        plural: str,
        _kind: str,
        *,
        namespace: str,
        name: str,
        resource_version: str,
        status: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        """See `StatusWriter`."""
        call = self._api._begin("put status")
        place = (plural, namespace, name)
        found = self._api._seen_at(place, resource_version)
        stored = self._api.put(place, {**found, "status": dict(status)})
        self._api._end(call)
        return stored


class Secrets:
    """Secrets; implements `SecretWriter`."""

    def __init__(self, api: FakeApi) -> None:
        self._api = api

    async def get(self, namespace: str, name: str) -> Mapping[str, Any]:
        """See `SecretReader`."""
        return self._api._read((SECRETS, namespace, name))

    async def create(
        self,
        namespace: str,
        secret: Mapping[str, Any],
        *,
        hidden: Sequence[bytes] | None = None,
        dry_run: bool = False,
    ) -> Mapping[str, Any]:
        """See `SecretCreator`. As in an API server, the name is checked last."""
        self._api.hidden.append(hidden)
        call = self._api._begin("rehearse" if dry_run else "create", SECRETS)
        place = (SECRETS, namespace, str(secret["metadata"]["name"]))
        if place in self._api.objects:
            raise AlreadyExists(_TAKEN)
        if dry_run:
            return secret
        stored = self._api.put(place, secret)
        self._api._end(call)
        return stored

    async def patch(
        self,
        namespace: str,
        name: str,
        resource_version: str,
        patch: Mapping[str, Any],
        *,
        hidden: Sequence[bytes] | None = None,
    ) -> Mapping[str, Any]:
        """See `SecretWriter`."""
        self._api.hidden.append(hidden)
        call = self._api._begin("patch", SECRETS)
        place = (SECRETS, namespace, name)
        stored = self._api.put(place, merged(self._api._seen_at(place, resource_version), patch))
        self._api._end(call)
        return stored

    async def delete(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        """See `SecretWriter`."""
        call = self._api._begin("delete", SECRETS)
        place = (SECRETS, namespace, name)
        if self._api._seen_at(place, resource_version)["metadata"]["uid"] != uid:
            raise Conflict(_MODIFIED)
        self._api.remove(place)
        self._api._end(call)


class Leases:
    """Leases, by their names; implements `LeaseKeeper` and `LeaseLister`."""

    def __init__(self, api: FakeApi) -> None:
        self._api = api

    async def get(self, _namespace: str, name: str) -> Lease:
        """See `LeaseKeeper`."""
        self._api._begin("get", "lease")
        return self._find(name)

    async def list(self, _namespace: str, _selector: str) -> tuple[Lease, ...]:
        """See `LeaseLister`."""
        self._api._begin("list", "leases")
        return tuple(self._api.leases.values())

    async def put(self, lease: Lease) -> Lease:
        """See `LeaseKeeper`."""
        call = self._api._begin("put", "lease")
        if lease.resource_version:
            self._check(lease)
        elif lease.name in self._api.leases:
            raise AlreadyExists(_TAKEN)
        stored = self._api.leases[lease.name] = replace(lease, resource_version=self._api.change())
        self._api._end(call)
        return stored

    async def delete(self, lease: Lease) -> None:
        """See `LeaseKeeper`."""
        call = self._api._begin("delete", "lease")
        self._check(lease)
        del self._api.leases[lease.name]
        self._api.change()
        self._api._end(call)

    def _find(self, name: str) -> Lease:
        if name not in self._api.leases:
            message = f"Lease {name} does not exist"
            raise NotFound(message)
        return self._api.leases[name]

    def _check(self, lease: Lease) -> None:
        if self._find(lease.name).resource_version != lease.resource_version:
            raise Conflict(_MODIFIED)


def merged(old: Mapping[str, Any], patch: Mapping[str, Any]) -> Raw:
    """Apply a merge patch (RFC 7386)."""
    result = dict(old)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = merged(result.get(key) or {}, value)
        else:
            result[key] = value
    return result


def answered(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of *work* on a fake API, which answers immediately: no event loop is needed."""
    try:
        work.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    work.close()
    message = "it waits for something"
    raise AssertionError(message)


def _nothing(_call: str) -> None:
    """Let the request pass."""
