"""The checks of `doctor`, in the order in which one would look: without a server there is nothing else to ask."""

import base64
import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from cryptography import x509

from servicetokens.api import names, times
from servicetokens.api.values import format_time
from servicetokens.cli import leading
from servicetokens.cli.findings import Level
from servicetokens.cli.keys import look
from servicetokens.cli.leading import idle_seconds
from servicetokens.cli.session import Session
from servicetokens.cli.views import AccountView, TokenView, View, text
from servicetokens.kube import crds, paths
from servicetokens.kube.errors import NotFound
from servicetokens.kube.leases import Lease, LeaseStore
from servicetokens.propagation.record import SELECTOR, ValidatorLease
from servicetokens.tokens.verifier import InvalidKeyRing

Said = Iterable[tuple[Level, str]]
Check = Callable[["ClusterView"], Awaitable[Said]]

OK, WARNING, BAD, UNKNOWN = Level.OK, Level.WARNING, Level.BAD, Level.UNKNOWN

# kopf's initial listing by a watch is on by default from there on (docs/concepts/architecture.md).
_OLDEST_MINOR: Final = 34
# Half of what the operator takes for a broken clock (tokens.lifetime.MAX_CLOCK_SKEW is a minute).
_SKEW: Final = 30
# The operator renews at two thirds of the life, so a week is long after it should have.
_CERTIFICATE_DAYS: Final = 7
_MOST_NAMED: Final = 5
# A token is answered within a second (docs/concepts/scale.md); a start with many takes longer.
_PATIENCE: Final = 60
_PROMPT: Final = 5
_RIGHTS: Final = (
    ("list", names.PLURAL_TOKENS, names.GROUP, "get, describe and tree"),
    ("create", names.PLURAL_TOKENS, names.GROUP, "create token"),
    ("patch", names.PLURAL_TOKENS, names.GROUP, "revoke, restore and rotate"),
    ("list", names.PLURAL_ACCOUNTS, names.GROUP, "get accounts and tree"),
    ("get", "secrets", "", "--show-token, and comparing in verify"),
    ("list", "pods", "", "seeing which workloads use a token"),
)


class ClusterView:
    """The data of the checks. Data that several of them need are requested once; an error is reported by each.

    Attributes: home: the namespace of the operator; scope: that of the tokens, empty for all, and *where* in words;
        now: the Unix second that all checks use.
    """

    def __init__(self, session: Session, home: str) -> None:
        self.cluster = session.cluster
        self.home = home
        self.scope = session.scope
        self.where = session.where
        self.now = session.now
        self.leases = LeaseStore(session.cluster.api)
        self._tokens: list[TokenView] | None = None
        self._validators: tuple[Lease, ...] | None = None

    async def tokens(self) -> list[TokenView]:
        """Return all tokens that are meant."""
        if self._tokens is None:
            found = await self.cluster.list_ours(names.PLURAL_TOKENS, self.scope)
            self._tokens = [TokenView(one) for one in found]
        return self._tokens

    async def validators(self) -> tuple[Lease, ...]:
        """Return the Leases of all validators."""
        if self._validators is None:
            self._validators = await self.leases.list(self.home, SELECTOR)
        return self._validators


async def server(sight: ClusterView) -> Said:
    """The API server answers, and is new enough."""
    version = await sight.cluster.get("/version")
    minor = text(version.get("minor")).rstrip("+")
    name = text(version.get("gitVersion"))
    if minor.isdecimal() and int(minor) < _OLDEST_MINOR:
        return [(BAD, f"{sight.cluster.server} is {name}; the operator needs 1.{_OLDEST_MINOR} or newer")]
    return [(OK, f"{sight.cluster.server} answers ({name})")]


async def definitions(sight: ClusterView) -> Said:
    """The CRDs fit this program."""
    found = await crds.examine(sight.cluster.api)
    if found.problem:
        return [(BAD, found.problem)]
    if found.unread:
        return [
            (
                OK,
                "every field is in the published schema; you do not have permission to read the revision of the CRDs",
            )
        ]
    return [(OK, f"schema revision {names.SCHEMA_REVISION} or newer")]


async def rights(sight: ClusterView) -> Said:
    """The user has the permissions that the plugin needs."""
    missing = [
        f"you do not have permission to {verb} {resource} {sight.where} (for {use})"
        for verb, resource, group, use in _RIGHTS
        if not await sight.cluster.may(verb, resource, sight.scope, group)
    ]
    return [(WARNING, one) for one in missing] or [(OK, f"all that the plugin needs, {sight.where}")]


async def operator(sight: ClusterView) -> Said:
    """Some operator holds its Lease, and renews it."""
    return await leading.examine(sight.leases, sight.home, sight.now)


async def validators(sight: ClusterView) -> Said:
    """Validators run, and have listed everything."""
    alive = [one for one in await sight.validators() if idle_seconds(one, sight.now) <= one.seconds]
    if not alive:
        return [(BAD, f"none is running in namespace '{sight.home}': no token is accepted anywhere")]
    said: list[tuple[Level, str]] = [
        (WARNING, f"'{lease.name}' has not listed everything yet, and answers 503 until then")
        for lease in alive
        if not ValidatorLease.read(lease).positions
    ]
    return said or [(OK, f"{len(alive)} running, and have listed everything")]


async def clocks(sight: ClusterView) -> Said:
    """No process writes times that are in the future for us."""
    found = list(await sight.validators())
    with contextlib.suppress(NotFound):
        found.append(await sight.leases.get(sight.home, names.OPERATOR_LEASE))
    ahead = [
        (one.name, -idle_seconds(one, sight.now)) for one in found if idle_seconds(one, sight.now) < -_SKEW
    ]
    return [
        (
            WARNING,
            f"the clock of '{name}' is {times.span(seconds)} ahead of yours: expiration depends on clocks",
        )
        for name, seconds in ahead
    ] or [(OK, "none is ahead of yours")]


async def keys(sight: ClusterView) -> Said:
    """The operator's keys are there, and no credential depends on one that is not."""
    try:
        found = await look(sight.cluster.api, sight.home)
    except InvalidKeyRing as error:
        return [(BAD, str(error))]
    missing = sum(one.credentials for one in found if one.state == "missing")
    if missing:
        return [
            (
                BAD,
                f"{missing} credentials depend on a key that is missing: restore it as the runbook on keys describes",
            )
        ]
    return [(OK, f"{len(found)}, and none is missing")]


# The operator's certificates are valid from an hour before they are made.
_BACKDATED: Final = dt.timedelta(hours=1)


async def certificate(sight: ClusterView) -> Said:
    """The validators' certificate is valid for a while."""
    try:
        secret = await sight.cluster.get(paths.secrets(sight.home, names.VALIDATOR_TLS_SECRET))
    except NotFound:
        return [(UNKNOWN, f"no Secret '{names.VALIDATOR_TLS_SECRET}': the operator does not issue it here")]
    try:
        found = x509.load_pem_x509_certificate(
            base64.b64decode((secret.get("data") or {}).get("tls.crt") or "")
        )
    except ValueError:
        return [
            (
                BAD,
                f"the Secret '{names.VALIDATOR_TLS_SECRET}' holds no certificate: delete it to have it issued again",
            )
        ]
    left = found.not_valid_after_utc - dt.datetime.fromtimestamp(sight.now, dt.UTC)
    if left < dt.timedelta(days=_CERTIFICATE_DAYS):
        level = BAD if left < dt.timedelta() else WARNING
        verb = "expired" if level == BAD else "expires"
        when = times.relative(sight.now + int(left.total_seconds()), sight.now)
        return [(level, f"it {verb} {when} and is not renewed")]
    deadline = _bundle_deadline((secret.get("data") or {}).get("ca.crt") or "", found)
    if deadline is not None:
        sentence = (
            f"'ca.crt' holds a new CA, which signs from {format_time(deadline)} on: before that, give it to clients "
            "that keep a copy"
        )
        return [(WARNING, sentence)]
    return [(OK, f"valid for {times.span(int(left.total_seconds()))}")]


def _bundle_deadline(encoded: str, leaf: x509.Certificate) -> int | None:
    """Return when the new CA in a bundle begins to sign, in Unix seconds; None if it holds one CA, or none.

    A new CA is created after two thirds of the old lifetime. A CA that was created earlier replaces one whose key was
    lost, and signs the next certificate, after two thirds of the lifetime of *leaf*.
    """
    try:
        found = x509.load_pem_x509_certificates(base64.b64decode(encoded))
    except ValueError:
        return None
    if len(found) == 1:
        return None
    oldest = min(found, key=lambda one: one.not_valid_before_utc)
    newest = max(found, key=lambda one: one.not_valid_before_utc)
    if newest.not_valid_before_utc + _BACKDATED < _two_thirds(oldest):
        return int(_two_thirds(leaf).timestamp())
    end = oldest.not_valid_after_utc - dt.timedelta(days=names.BUNDLE_RESERVE_DAYS)
    return int(end.timestamp())


def _two_thirds(certificate: x509.Certificate) -> dt.datetime:
    """Return when the operator makes the next one."""
    begins = certificate.not_valid_before_utc + _BACKDATED
    return begins + (certificate.not_valid_after_utc - begins) * 2 / 3


async def tokens(sight: ClusterView) -> Said:
    """No token waits or is stuck, and each has its account."""
    found = await sight.tokens()
    accounts = {
        (one.namespace, one.name)
        for one in map(AccountView, await sight.cluster.list_ours(names.PLURAL_ACCOUNTS, sight.scope))
    }
    open_ = [one for one in found if not one.is_observed]
    unseen = [one for one in open_ if (one.changed or 0) < sight.now - _PATIENCE]
    late = [one for one in open_ if one not in unseen and (one.changed or 0) < sight.now - _PROMPT]
    stuck = [one for one in found if one.condition("Stalled") is not None]
    homeless = [one for one in found if (one.namespace, one.account) not in accounts]
    unproven = [one for one in found if (seen := one.condition("Enforced")) and seen.status != "True"]
    waiting: dict[str, list[TokenView]] = {}
    for one in found:
        # Those without an account have a line of their own.
        if one.waits_for is not None and one not in homeless:
            waiting.setdefault(one.waits_for.reason, []).append(one)
    said: list[tuple[Level, str]] = []
    for level, which, what in (
        (
            BAD,
            unseen,
            "waiting for the operator for more than a minute; check that it runs and serves their namespaces",
        ),
        (WARNING, late, "not reconciled yet, which usually takes a second"),
        (BAD, stuck, "stuck until something is changed; `describe` says what"),
        (WARNING, homeless, "without an account, and therefore rejected"),
        *(
            (WARNING, which, f"waiting ({reason}); `describe` says for what")
            for reason, which in sorted(waiting.items())
        ),
        (WARNING, unproven, "revoked or restored, and not confirmed by every validator"),
    ):
        if which:
            said.append((level, f"{what}: {_named(which)}"))
    return said or [(OK, f"{len(found)} {sight.where}, none is stuck")]


async def orphans(sight: ClusterView) -> Said:
    """Every Secret of ours has its ServiceToken."""
    found = await sight.cluster.list_metadata(paths.secrets(sight.scope), f"{names.LABEL_TOKEN_SECRET}=true")
    # Listed after the Secrets: a token that was created meanwhile must not look deleted.
    alive = {TokenView(one).uid for one in await sight.cluster.list_ours(names.PLURAL_TOKENS, sight.scope)}
    lost = [View(one) for one in found if not _owners(one) & alive]
    if not lost:
        return [(OK, f"each Secret of a token has its ServiceToken ({len(found)} found)")]
    what = "Secrets of deleted ServiceTokens, which garbage collection should have removed"
    return [(WARNING, f"{what}: {_named(lost)}")]


async def git(sight: ClusterView) -> Said:
    """Nothing in Git undoes an emergency revocation by hand."""
    found = await sight.tokens()
    explicit = [one for one in found if one.spec.get("state") == "Active"]
    undone = [one for one in found if one.is_revoked and one.from_git]
    said: list[tuple[Level, str]] = []
    if explicit:
        what = "`state: Active` in Git undoes a manual revocation; leave `state` out there"
        said.append((WARNING, f"{what}: {_named(explicit)}"))
    if undone:
        said.append(
            (
                WARNING,
                f"revoked, and applied from Git: check that Git has `state: Revoked` as well: {_named(undone)}",
            )
        )
    return said or [(OK, "nothing undoes a manual revocation")]


CHECKS: Final[Mapping[str, Check]] = {
    "API server": server,
    "CRDs": definitions,
    "permissions": rights,
    "operator": operator,
    "validators": validators,
    "clocks": clocks,
    "keys": keys,
    "certificate": certificate,
    "tokens": tokens,
    "orphans": orphans,
    "GitOps": git,
}


def _owners(secret: Mapping[str, object]) -> frozenset[str]:
    references = View(secret).meta.get("ownerReferences")
    return frozenset(text(one.get("uid")) for one in references or ())


def _named(which: list[TokenView] | list[View]) -> str:
    shown = ", ".join(f"{one.namespace}/{one.name}" for one in which[:_MOST_NAMED])
    others = len(which) - _MOST_NAMED
    return f"{shown} and {others} other{'' if others == 1 else 's'}" if others > 0 else shown
