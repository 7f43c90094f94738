"""The properties of an account or a token that users need, read from the JSON object.

An object may be older than today's schema, or half edited: what cannot be read is absent, and no odd object keeps the
others from being listed. Every text is read by `text` or `texts`, which escape what a terminal would interpret: the
author of an object must not control the terminal of its reader. What escapes itself reads a text by `written`.

This shape of a token, which all commands read, shows also what no model accepts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from servicetokens.api.origin import Origin, origin_of
from servicetokens.api.values import parse_recorded_time
from servicetokens.runtime.terminal import escape_controls

Raw = Mapping[str, Any]
# Where the rows of a listing come from, if they come from Git.
_ARGO: Final = "argocd.argoproj.io/tracking-id"
_FLUX: Final = {
    "kustomize.toolkit.fluxcd.io/name": "the Flux Kustomization",
    "helm.toolkit.fluxcd.io/name": "the Flux HelmRelease",
}
_HELM: Final = "meta.helm.sh/release-name"


@dataclass(frozen=True, slots=True)
class ConditionView:
    """One condition."""

    type: str
    status: str
    reason: str
    message: str
    since: int | None
    generation: int


@dataclass(frozen=True, slots=True)
class CredentialView:
    """One credential that may still be accepted.

    Attributes:
        end: Unix second at which it expires; None is never.
        key_id: the operator's key that its hash needs; empty when that cannot be read.
        is_pending: the Secret does not hold it yet.
    """

    id: str
    serial: int
    minted: int | None
    end: int | None
    key_id: str = ""
    is_pending: bool = False

    @property
    def origin(self) -> Origin:
        """Where it comes from."""
        return origin_of(self.id)


class View:
    """What accounts and tokens have in common."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self.meta: Raw = mapping(raw.get("metadata"))
        self.spec: Raw = mapping(raw.get("spec"))
        self.status: Raw = mapping(raw.get("status"))

    @property
    def name(self) -> str:
        """Its name."""
        return text(self.meta.get("name"))

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return text(self.meta.get("namespace"))

    @property
    def uid(self) -> str:
        """Its uid."""
        return text(self.meta.get("uid"))

    @property
    def generation(self) -> int:
        """The number of its spec."""
        return number(self.meta.get("generation"))

    @property
    def created(self) -> int | None:
        """When it was created."""
        return moment(self.meta.get("creationTimestamp"))

    @property
    def changed(self) -> int | None:
        """When something other than its status was written last, as far as the API server has recorded that."""
        written = [
            at
            for one in mappings(self.meta.get("managedFields"))
            if not one.get("subresource") and (at := moment(one.get("time"))) is not None
        ]
        return max(written, default=self.created)

    @property
    def description(self) -> str:
        """What people wrote about it."""
        return text(self.spec.get("description"))

    @cached_property
    def conditions(self) -> Sequence[ConditionView]:
        """All of them, in the operator's order."""
        return [
            ConditionView(
                type=text(one.get("type")),
                status=text(one.get("status")),
                reason=text(one.get("reason")),
                message=text(one.get("message")),
                since=moment(one.get("lastTransitionTime")),
                generation=number(one.get("observedGeneration")),
            )
            for one in mappings(self.status.get("conditions"))
        ]

    def condition(self, kind: str) -> ConditionView | None:
        """Return the condition of type *kind*, if it is there."""
        return next((one for one in self.conditions if one.type == kind), None)

    @property
    def is_observed(self) -> bool:
        """Whether the operator has answered the present spec."""
        return number(self.status.get("observedGeneration"), default=-1) >= self.generation

    @property
    def state(self) -> str:
        """In one word what a person wants to know first, as in `Active`, `Revoked`, `Expired`, `Pending`.

        Of a token that waits or is stuck, the reason: alone where nothing is minted, as in `RoleNotFound`, else with
        what is true of the credential, as in `Active,SecretConflict`.
        """
        active, ready = self.condition("Active"), self.condition("Ready")
        if active is None or not self.is_observed:
            return "Pending"
        why = ready.reason if ready is not None and ready.status == "False" else ""
        if active.status == "True":
            return f"Active,{why}" if why else "Active"
        return why or active.reason if active.reason == "NotMinted" else active.reason

    @property
    def waits_for(self) -> ConditionView | None:
        """The condition that says what the operator waits for; None when for nothing, or when it is stuck."""
        if self.condition("Stalled") is not None:
            return None
        found = self.condition("Reconciling")
        return found if found is not None and found.status == "True" else None

    @property
    def from_git(self) -> str:
        """What keeps applying it, as in `the Argo CD application 'orders'`; empty when nothing is known to."""
        annotations, labels = mapping(self.meta.get("annotations")), mapping(self.meta.get("labels"))
        if tracking := text(annotations.get(_ARGO)):
            return f"the Argo CD application '{tracking.split(':')[0]}'"
        for label, what in _FLUX.items():
            if name := text(labels.get(label)):
                return f"{what} '{name}'"
        if release := text(annotations.get(_HELM)):
            return f"the Helm release '{release}'"
        return ""


class AccountView(View):
    """A ServiceAccount (of servicetokens.dev)."""

    @property
    def roles(self) -> Sequence[str]:
        """The roles it asks for."""
        return texts(self.spec.get("roles"))

    @property
    def token_count(self) -> int:
        """How many tokens name it, as the operator counted."""
        return number(self.status.get("tokenCount"))


class TokenView(View):
    """A ServiceToken."""

    @property
    def account(self) -> str:
        """The account's name."""
        return text(mapping(self.spec.get("accountRef")).get("name"))

    @property
    def is_revoked(self) -> bool:
        """Whether its spec says so."""
        return self.spec.get("state") == "Revoked"

    @property
    def is_suspended(self) -> bool:
        """Whether it is suspended for disuse."""
        return moment(self.status.get("suspensionTime")) is not None

    @property
    def suspended_at(self) -> int | None:
        """When it was suspended because it was not used for long; None when it was not."""
        return moment(self.status.get("suspensionTime"))

    @property
    def secret(self) -> str:
        """The Secret it is delivered in."""
        return text(mapping(self.spec.get("secret")).get("name")) or self.name

    @property
    def rotation(self) -> Raw:
        """Its `spec.rotation`, empty when there is none."""
        return mapping(self.spec.get("rotation"))

    @property
    def has_pending_rotation(self) -> bool:
        """Whether `spec.rotation.id` asks for a credential that has not been delivered yet."""
        asked = self.rotation.get("id")
        if asked is None:
            return False
        synced = self.condition("SecretSynced")
        is_delivered = synced is not None and synced.status == "True"
        return asked != self.status.get("rotationID") or not is_delivered

    @property
    def id(self) -> str:
        """The public id of the current credential."""
        return text(self.status.get("tokenID"))

    @property
    def credentials(self) -> Sequence[CredentialView]:
        """What may be accepted: the newest, which is the current one or the next one, last."""
        found = [
            CredentialView(
                id=text(one.get("id")),
                serial=number(one.get("serial")),
                minted=moment(one.get("mintTime")),
                end=moment(one.get("expirationTime")),
                key_id=text(mapping(one.get("verifier")).get("keyID")),
                is_pending=one.get("delivery") == "Pending",
            )
            for one in mappings(self.status.get("credentials"))
        ]
        return sorted(found, key=lambda one: one.serial)

    @property
    def ids(self) -> frozenset[str]:
        """Every public id by which it is, or was last, known."""
        return frozenset({self.id, *(one.id for one in self.credentials)} - {""})

    @property
    def end(self) -> int | None:
        """When the current credential ends, or the last one did."""
        return moment(self.status.get("expirationTime"))

    @property
    def next_rotation(self) -> int | None:
        """When the clock rotates it."""
        return moment(self.status.get("nextRotationTime"))

    @property
    def last_used(self) -> int | None:
        """When it was last accepted, to the hour."""
        return moment(self.status.get("lastUsedTime"))

    def expires_before(self, at: int) -> bool:
        """Say whether it ends before *at* and nothing rotates it; one that has ended already does not count."""
        ended = self.condition("Active")
        if self.end is None or self.end > at or (ended is not None and ended.reason == "Expired"):
            return False
        return self.next_rotation is None

    def unused_since(self, at: int) -> bool:
        """Say whether it could be used, exists since before *at*, and has not been accepted after it."""
        if not self.credentials:
            return False
        last = max(self.last_used or 0, self.created or 0)
        return last <= at


def written(value: object) -> str:
    """Return a text as its author wrote it, or nothing."""
    return value if isinstance(value, str) else ""


def mappings(value: object) -> Iterator[Raw]:
    """Give the members of a list that are objects."""
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, dict))


def text(value: object) -> str:
    """Return a text with its control characters escaped, or nothing."""
    return escape_controls(value) if isinstance(value, str) else ""


def texts(value: object) -> Sequence[str]:
    """Return the members of a list that are texts, each as `text` does."""
    return [text(one) for one in value if isinstance(one, str)] if isinstance(value, list) else []


def number(value: object, *, default: int = 0) -> int:
    """Return a whole number, or *default*."""
    return value if isinstance(value, int) else default


def moment(value: object) -> int | None:
    """Return the Unix second of an RFC 3339 text; None for anything else."""
    try:
        return parse_recorded_time(text(value))
    except ValueError:
        return None


def mapping(value: object) -> Raw:
    """Return an object, or an empty one."""
    return value if isinstance(value, dict) else {}
