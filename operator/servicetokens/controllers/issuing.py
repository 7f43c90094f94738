"""The validator's TLS certificate, and the CA above it, made and renewed by the operator.

    CA 1  ├──────────────── signs ───────────────┤···· in the bundle until its end ····│
    CA 2                     ├─ in the bundle ──┼──────────── signs ───────────────────┤···
                             made at 2/3        a leaf's life later

A client that reads the bundle `ca.crt` once in a leaf's life always trusts what it is shown: a new CA is in the
bundle for that long before it signs, and an old one stays until its end.

The keys of the CAs are in a Secret of their own, so that a validator, which mounts the other one, holds none.
"""

import asyncio
import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from servicetokens.api.names import GROUP, VALIDATOR_TLS_SECRET
from servicetokens.controllers.certificates import (
    Issued,
    UnreadableCertificate,
    new_authority,
    new_leaf,
    split_pem,
)
from servicetokens.kube.errors import AlreadyExists, Conflict, KubeError, NotConfigured, NotFound
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.logs import get_logger

_log = get_logger(__name__)

AUTHORITY_SECRET: Final = "servicetokens-validator-ca"
LABEL: Final = f"{GROUP}/component"
_COMPONENT: Final = "tls"
SERVICE: Final = "servicetokens-validator"

# A month, as cert-manager's webhook has a week: validators read it again by themselves, so nobody is in a hurry.
LEAF_DAYS: Final = 30
# Whoever has put the CA into a kubeconfig of a control plane does so by hand, once a year.
AUTHORITY_DAYS: Final = 730
_DAY: Final = 86400
# Somebody may delete a Secret, or ask for other names.
_PERIOD: Final = 300.0
_RETRY: Final = 10.0


class SecretStore(Protocol):
    """Reads and writes Secrets; see `kube.secrets.SecretStore`."""

    async def get(self, namespace: str, name: str) -> Mapping[str, Any]:
        """Return one; raises `NotFound`."""
        ...

    async def create(self, namespace: str, secret: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create one; raises `AlreadyExists`."""
        ...

    async def patch(
        self, namespace: str, name: str, resource_version: str, patch: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Change one that was seen at that version; raises `Conflict`."""
        ...


def living(authorities: Iterable[Issued], now: int) -> tuple[Issued, ...]:
    """Return the CAs that have not ended at *now* (Unix seconds), the oldest first."""
    return tuple(sorted((one for one in authorities if one.ends > now), key=lambda one: one.begins))


def needs_authority(alive: Sequence[Issued], now: int) -> bool:
    """Say whether it is time for another CA."""
    return not alive or now >= _two_thirds(alive[-1])


def signer_of(alive: Sequence[Issued], now: int) -> Issued:
    """Return the CA that signs: the newest one that has been in the bundle for long enough.

    The first one of all has nobody before it, so it signs at once.
    """
    published = [one for one in alive if one.begins + LEAF_DAYS * _DAY <= now]
    return published[-1] if published else alive[0]


def fits(leaf: Issued, signer: Issued, names: Sequence[str], now: int) -> bool:
    """Say whether *leaf* may stay."""
    return now < _two_thirds(leaf) and set(leaf.names) == set(names) and leaf.is_signed_by(signer)


def _two_thirds(issued: Issued) -> int:
    return issued.begins + (issued.ends - issued.begins) * 2 // 3


class Issuer:
    """Keeps the two Secrets right."""

    def __init__(
        self,
        secrets: SecretStore,
        namespace: str,
        clock: Clock,
        *,
        names: Sequence[str],
        leads: Callable[[], bool],
    ) -> None:
        """Write to *namespace* while *leads* says so. *names* are those that clients may use besides the Service's."""
        self._secrets = secrets
        self._namespace = namespace
        self._clock = clock
        self._names = (*service_names(namespace), *names)
        self._leads = leads
        self._problem = ""
        self.end: int | None = None
        """When the certificate that was issued last expires, in Unix seconds; None before it is known."""

    @property
    def problem(self) -> str:
        """Why there may be no certificate, and what to do; empty when there is one."""
        return self._problem

    async def run(self) -> None:
        """Keep looking, for ever."""
        while True:
            good = not self._leads() or await self.refresh()
            await asyncio.sleep(_PERIOD if good and self._leads() else _RETRY)

    async def refresh(self) -> bool:
        """Look once, write what is needed, and say whether all is well."""
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
        alive = living(_authorities_of(stored), now)
        if needs_authority(alive, now):
            alive = (*alive, new_authority(now, AUTHORITY_DAYS))
            # First of all: a leaf whose CA is lost would have to be made again.
            await self._write(AUTHORITY_SECRET, "Opaque", stored, _authority_data(alive))
            _log.info("made a CA for the validators", authorities=len(alive))
        signer = signer_of(alive, now)
        bundle = b"".join(one.certificate for one in reversed(alive))
        leaf = _leaf_of(served)
        if leaf is None or not fits(leaf, signer, self._names, now):
            leaf = new_leaf(signer, self._names, now, LEAF_DAYS)
        content = {"tls.crt": leaf.certificate, "tls.key": leaf.key, "ca.crt": bundle}
        if served is None or any(_data(served, key) != value for key, value in content.items()):
            await self._write(VALIDATOR_TLS_SECRET, "kubernetes.io/tls", served, content)
            _log.info("issued the validators' certificate", ends=leaf.ends, names=list(leaf.names))
        self.end = leaf.ends

    async def _read(self, name: str) -> Mapping[str, Any] | None:
        try:
            secret = await self._secrets.get(self._namespace, name)
        except NotFound:
            return None
        if (secret["metadata"].get("labels") or {}).get(LABEL) != _COMPONENT:
            message = (
                f"the Secret '{name}' in namespace '{self._namespace}' was not made by the operator and is left alone; "
                "delete it, or run the operator with --no-issue-certificate"
            )
            raise UnreadableCertificate(message)
        return secret

    async def _write(
        self, name: str, kind: str, seen: Mapping[str, Any] | None, content: Mapping[str, bytes]
    ) -> None:
        data = {key: base64.b64encode(value).decode() for key, value in content.items()}
        if seen is None:
            metadata = {"name": name, "labels": {LABEL: _COMPONENT}}
            await self._secrets.create(self._namespace, {"metadata": metadata, "type": kind, "data": data})
        else:
            version = str(seen["metadata"]["resourceVersion"])
            await self._secrets.patch(self._namespace, name, version, {"data": data})

    def _fail(self, problem: str) -> bool:
        if problem != self._problem:
            self._problem = problem
            _log.warning("no certificate", reason=problem)
        return False


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
    """Return the CAs that are stored. Raises `UnreadableCertificate`: nobody guesses what a broken one was."""
    if secret is None:
        return []
    certificates, keys = split_pem(_data(secret, "ca.crt")), split_pem(_data(secret, "ca.key"))
    why = "certificates and keys are not as many"
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
    """Return the certificate that is served; None when there is none that can be used: then another one is made."""
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
