"""The validator's TLS certificate, and the CA above it, created and renewed by the operator.

    CA 1  ├────────────────────── signs ──────────────────────┤·· until its end ··│
    CA 2                     ├──────── in the bundle ─────────┼──────── signs ────────────┤···
                             made at 2/3                      sixty days before the end of CA 1: the deadline

A client that keeps a copy of the bundle `ca.crt` has from the creation of CA 2 until the deadline to renew it: half a
year, in which an Event, a metric and `kubectl servicetoken doctor` name the deadline. A new CA is in the bundle for at
least a leaf's lifetime before it signs, and an old one stays until it expires.

If the Secret with the CAs is lost, the present leaf is used until it is time for the next one, and its CA stays in the
bundle until then, so that clients have days to learn the new CA.

Clients reject certificates that were issued while the clock was ahead until their time: another CA and another leaf are
created immediately, and the early CA stays in the bundle.

The keys of the CAs are in a Secret of their own, so that a validator, which mounts the other one, holds none.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from servicetokens.api.names import BUNDLE_RESERVE_DAYS, GROUP, VALIDATOR_TLS_SECRET
from servicetokens.api.values import format_time
from servicetokens.controllers.pki.certificates import (
    Issued,
    UnreadableCertificate,
    new_authority,
    new_leaf,
    split_pem,
)
from servicetokens.kube.errors import AlreadyExists, Conflict, KubeError, NotConfigured, NotFound
from servicetokens.kube.events import EventRecorder, Regarding
from servicetokens.kube.secrets import SecretWriter
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.logs import get_logger

_log = get_logger(__name__)

AUTHORITY_SECRET: Final = "servicetokens-validator-ca"
LABEL: Final = f"{GROUP}/component"
_COMPONENT: Final = "tls"
SERVICE: Final = "servicetokens-validator"

# A month; cert-manager's webhook uses a week. Validators read it again automatically, so there is no hurry.
LEAF_DAYS: Final = 30
# Administrators copy the CA into the kubeconfig of a control plane by hand, once a year.
AUTHORITY_DAYS: Final = 730
_DAY: Final = 86400
# A Secret may be deleted, or other names may be configured.
_PERIOD: Final = 300.0
_RETRY: Final = 10.0

Announce = Callable[[Mapping[str, Any], str], Awaitable[None]]


def unexpired(authorities: Iterable[Issued], now: int) -> tuple[Issued, ...]:
    """Return the CAs that have not expired at *now* (Unix seconds), the oldest first."""
    return tuple(sorted((one for one in authorities if one.ends > now), key=lambda one: one.begins))


def started(authorities: Iterable[Issued], now: int) -> tuple[Issued, ...]:
    """Return the CAs that clients accept at *now* (Unix seconds); the others were created while the clock was ahead."""
    return tuple(one for one in authorities if one.has_begun(now))


def needs_authority(usable: Sequence[Issued], now: int) -> bool:
    """Return whether it is time for another CA, in addition to those that clients accept."""
    return not usable or now >= _two_thirds(usable[-1])


def signer_of(usable: Sequence[Issued], now: int) -> Issued:
    """Return the CA that signs: the oldest one, as long as it may; then the newest that was published for long enough.

    A CA that clients had no time to learn signs only when there is no other.
    """
    if now < signs_until(usable[0]):
        return usable[0]
    published = [one for one in usable if one.begins + LEAF_DAYS * _DAY <= now]
    return published[-1] if published else usable[0]


def signs_until(authority: Issued) -> int:
    """Return when another CA replaces *authority* as the signer, in Unix seconds."""
    return authority.ends - BUNDLE_RESERVE_DAYS * _DAY


def bundle_deadline(alive: Sequence[Issued], now: int) -> int | None:
    """Return until when clients must have renewed a copy of the bundle that lacks the newest CA; None if none need to.

    The deadline stands until the last certificate of the old CA has ended: after it, such clients fail one by one.
    """
    return signs_until(alive[0]) if len(alive) > 1 and now < alive[0].ends else None


def lost_signer(leaf: Issued, bundle: bytes, signer: Issued, now: int) -> Issued | None:
    """Return the CA in *bundle* that signed *leaf* and whose key is lost; None if there is none, or it is not needed.

    It is not needed once *signer*, which replaces it, was published for a leaf's lifetime; nor when the leaf is
    younger.
    """
    if signer.begins + LEAF_DAYS * _DAY <= now or signer.begins < leaf.begins or leaf.is_signed_by(signer):
        return None
    for certificate in split_pem(bundle):
        try:
            authority = Issued.read_certificate(certificate)
        except UnreadableCertificate:
            continue
        if now < authority.ends and leaf.is_signed_by(authority):
            return authority
    return None


def fits(leaf: Issued, signer: Issued, names: Sequence[str], now: int) -> bool:
    """Return whether *leaf* may be kept."""
    in_time = leaf.has_begun(now) and now < _two_thirds(leaf)
    return in_time and set(leaf.names) == set(names) and leaf.is_signed_by(signer)


def _two_thirds(issued: Issued) -> int:
    return issued.begins + (issued.ends - issued.begins) * 2 // 3


class Issuer:
    """Keeps the two Secrets current."""

    def __init__(
        self,
        secrets: SecretWriter,
        namespace: str,
        clock: Clock,
        *,
        names: Sequence[str],
        leads: Callable[[], bool],
        announce: Announce,
    ) -> None:
        """Write to *namespace* while *leads* is true. *names* are names for clients in addition to the Service's.

        *announce* sends an Event about the stored Secret with the certificate.
        """
        self._secrets = secrets
        self._namespace = namespace
        self._clock = clock
        self._names = (*service_names(namespace), *names)
        self._leads = leads
        self._announce = announce
        self._announced_at: int | None = None
        self._problem = ""
        self.end: int | None = None
        """When the certificate that was issued last expires, in Unix seconds; None before it is known."""
        self.bundle_deadline: int | None = None
        """See the function `bundle_deadline`."""

    @property
    def problem(self) -> str:
        """Why there may be no certificate, and what to do; empty when there is one."""
        return self._problem

    async def run(self) -> None:
        """Refresh until cancelled."""
        while True:
            good = not self._leads() or await self.refresh()
            await asyncio.sleep(_PERIOD if good and self._leads() else _RETRY)

    async def refresh(self) -> bool:
        """Check once, write what is needed, and return whether everything is in order."""
        try:
            await self._refresh()
        except (Conflict, AlreadyExists):
            return False
        except UnreadableCertificate as error:
            return self._fail(str(error))
        except (KubeError, NotConfigured) as error:
            return self._fail(f"the validator's certificate cannot be issued: {error}")
        self._problem = ""
        return True

    async def _refresh(self) -> None:
        stored = await self._read(AUTHORITY_SECRET)
        served = await self._read(VALIDATOR_TLS_SECRET)
        now = self._clock.now()
        alive = unexpired(_authorities_of(stored), now)
        if needs_authority(started(alive, now), now):
            alive = unexpired((*alive, new_authority(now, AUTHORITY_DAYS)), now)
            # Before everything else: a leaf whose CA is lost would have to be issued again.
            await self._write(AUTHORITY_SECRET, "Opaque", stored, _authority_data(alive))
            _log.info("created a CA for the validators", authorities=len(alive))
        signer = signer_of(started(alive, now), now)
        bundle = b"".join(one.certificate for one in reversed(alive))
        leaf = _leaf_of(served)
        deadline = bundle_deadline(alive, now)
        lost = None if leaf is None else lost_signer(leaf, _data(served or {}, "ca.crt"), signer, now)
        if leaf is not None and lost is not None and fits(leaf, lost, self._names, now):
            bundle += lost.certificate
            deadline = _two_thirds(leaf)
        elif leaf is None or not fits(leaf, signer, self._names, now):
            leaf = new_leaf(signer, self._names, now, LEAF_DAYS)
        content = {"tls.crt": leaf.certificate, "tls.key": leaf.key, "ca.crt": bundle}
        if served is None or any(_data(served, key) != value for key, value in content.items()):
            served = await self._write(VALIDATOR_TLS_SECRET, "kubernetes.io/tls", served, content)
            _log.info("issued the validators' certificate", expires=leaf.ends, names=list(leaf.names))
        self.end = leaf.ends
        self.bundle_deadline = deadline
        if served is not None:
            await self._announce_deadline(served, now)

    async def _announce_deadline(self, secret: Mapping[str, Any], now: int) -> None:
        """Send once a day an Event with the deadline for clients' copies: Events are kept for an hour only."""
        told, deadline = self._announced_at, self.bundle_deadline
        if deadline is None or (told is not None and now - told < _DAY):
            return
        self._announced_at = now
        moment = format_time(deadline)
        _log.warning("clients must renew their copy of ca.crt", before=moment)
        note = (
            f"'ca.crt' of the Secret '{VALIDATOR_TLS_SECRET}' holds a new CA, which signs from {moment} on. "
            "Before that, give it to all clients that keep a copy, or they reject the validators' certificate."
        )
        await self._announce(secret, note)

    async def _read(self, name: str) -> Mapping[str, Any] | None:
        try:
            secret = await self._secrets.get(self._namespace, name)
        except NotFound:
            return None
        if (secret["metadata"].get("labels") or {}).get(LABEL) != _COMPONENT:
            message = (
                f"the Secret '{name}' in namespace '{self._namespace}' was not created by the operator and is not "
                "changed; delete it, or run the operator with --no-issue-certificate"
            )
            raise UnreadableCertificate(message)
        return secret

    async def _write(
        self, name: str, kind: str, seen: Mapping[str, Any] | None, content: Mapping[str, bytes]
    ) -> Mapping[str, Any]:
        data = {key: base64.b64encode(value).decode() for key, value in content.items()}
        if seen is None:
            metadata = {"name": name, "labels": {LABEL: _COMPONENT}}
            secret = {"metadata": metadata, "type": kind, "data": data}
            return await self._secrets.create(self._namespace, secret)
        version = str(seen["metadata"]["resourceVersion"])
        return await self._secrets.patch(self._namespace, name, version, {"data": data})

    def _fail(self, problem: str) -> bool:
        if problem != self._problem:
            self._problem = problem
            _log.warning("no certificate", reason=problem)
        return False


async def announce_deadline(events: EventRecorder, secret: Mapping[str, Any], note: str) -> None:
    """Send *note* as an Event about *secret*; a failure is only logged."""
    meta = secret["metadata"]
    regarding = Regarding(
        kind="Secret",
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        api_version="v1",
    )
    try:
        await events.send(regarding, "Warning", "RenewBundle", note)
    except KubeError as error:
        _log.info("the Event about ca.crt was not sent", reason=error.message)


def service_names(namespace: str) -> tuple[str, ...]:
    """Return the names under which clients in the cluster reach the validators."""
    domain = f"{SERVICE}.{namespace}"
    return (SERVICE, domain, f"{domain}.svc", f"{domain}.svc.cluster.local")


def _authority_data(authorities: Sequence[Issued]) -> dict[str, bytes]:
    """Return all CAs, the newest first, certificates and keys in the same order."""
    newest_first = authorities[::-1]
    return {
        "ca.crt": b"".join(one.certificate for one in newest_first),
        "ca.key": b"".join(one.key for one in newest_first),
    }


def _authorities_of(secret: Mapping[str, Any] | None) -> list[Issued]:
    """Return the stored CAs. Raises `UnreadableCertificate`: a broken one is never guessed."""
    if secret is None:
        return []
    certificates, keys = split_pem(_data(secret, "ca.crt")), split_pem(_data(secret, "ca.key"))
    why = "the numbers of certificates and keys differ"
    if keys and len(certificates) == len(keys):
        try:
            return [Issued.read(*pair) for pair in zip(certificates, keys, strict=True)]
        except UnreadableCertificate as error:
            why = str(error)
    message = (
        f"the Secret '{AUTHORITY_SECRET}' cannot be used ({why}); restore it, or delete it: then clients have to "
        f"trust the new CA of '{VALIDATOR_TLS_SECRET}'"
    )
    raise UnreadableCertificate(message)


def _leaf_of(secret: Mapping[str, Any] | None) -> Issued | None:
    """Return the present certificate; None when it cannot be used: then another one is issued."""
    if secret is None:
        return None
    try:
        return Issued.read(_data(secret, "tls.crt"), _data(secret, "tls.key"))
    except UnreadableCertificate:
        return None


def _data(secret: Mapping[str, Any], key: str) -> bytes:
    value = (secret.get("data") or {}).get(key, "")
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, TypeError):
        return b""
