"""Whether validators accept the token once the plan is carried out: the condition `Active`.

    never lived, expired, spec unreadable, no token  →  `policy.acceptance`  →  disuse  →  key missing  →  accepted

Disuse is one of the checks. A token that is rejected for another reason cannot be used, so time without a use counts
only where the other checks pass. A token that is suspended already says so unless one of those before it in
`policy.acceptance` fails, too.
"""

from dataclasses import dataclass

from servicetokens.api.reasons import Reason
from servicetokens.api.service_token import Credential
from servicetokens.lifecycle import unused
from servicetokens.lifecycle.checks import Finding
from servicetokens.lifecycle.credentials import cut_of
from servicetokens.lifecycle.evaluation import Evaluation
from servicetokens.lifecycle.snapshot import AccountFacts, Snapshot
from servicetokens.lifecycle.unused import Disuse
from servicetokens.policy.acceptance import Facts, find_rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What will be on status once the plan is carried out.

    *current* is the credential that will be current (None: there is none), *end* its end or the end of the one that
    expired, *imported* the value accepted alongside it, *account_uid* the account that they were minted for.
    """

    current: Credential | None
    end: int | None
    imported: Credential | None
    account_uid: str | None

    def has_expired(self, now: int) -> bool:
        """Say whether the last credential has ended by *now*, and none follows."""
        return self.current is None and self.end is not None and self.end <= now


@dataclass(frozen=True, slots=True)
class Acceptance:
    """*reason* is VALID, or why validators reject the token; *disuse* is what follows from its not being used."""

    reason: Reason
    disuse: Disuse


def find_acceptance(evaluation: Evaluation, finding: Finding | None, outcome: Outcome) -> Acceptance:
    """Return what validators do with the token of *outcome*; *finding* is what prevents a mint."""
    current, now = outcome.current, evaluation.now
    if current is None:
        # There is nothing to be used; the time without a use starts again.
        return Acceptance(_reason_without_token(evaluation, finding, outcome), Disuse())
    facts = _facts(evaluation, outcome, current)
    reason = _reason_apart_from_disuse(evaluation, finding, facts)
    disuse = unused.find_disuse(evaluation.snapshot, now, usable=reason is Reason.VALID)
    if disuse.suspends:
        reason = find_rejection(facts._replace(suspended=True), now) or reason
    return Acceptance(reason, disuse)


def _reason_without_token(evaluation: Evaluation, finding: Finding | None, outcome: Outcome) -> Reason:
    if finding is not None and finding.reason is Reason.ALREADY_EXPIRED:
        return Reason.ALREADY_EXPIRED
    if outcome.has_expired(evaluation.now):
        return Reason.EXPIRED
    if finding is not None and finding.reason is Reason.INVALID_SPEC:
        return Reason.INVALID_SPEC
    account = _account_of(evaluation.snapshot)
    if account is None:
        return Reason.ACCOUNT_NOT_FOUND
    if evaluation.snapshot.token.status.account_uid not in {None, account.uid}:
        return Reason.ACCOUNT_REPLACED
    return finding.reason if finding is not None else Reason.NOT_MINTED


def _reason_apart_from_disuse(evaluation: Evaluation, finding: Finding | None, facts: Facts) -> Reason:
    if finding is not None and finding.reason is Reason.INVALID_SPEC:
        return Reason.INVALID_SPEC
    rejection = find_rejection(facts, evaluation.now)
    if rejection is not None:
        return rejection
    return Reason.VALID if evaluation.snapshot.keys.newest is not None else Reason.KEY_MISSING


def _facts(evaluation: Evaluation, outcome: Outcome, current: Credential) -> Facts:
    """Return what `find_rejection` asks for."""
    token, account = evaluation.snapshot.token, _account_of(evaluation.snapshot)
    account_spec = account.spec if account is not None else None
    return Facts(
        deleting=token.deleting,
        account_uid=account.uid if account is not None else "",
        minted_for=outcome.account_uid or "",
        revoked=token.spec is not None and token.spec.state == "Revoked",
        account_suspended=account_spec is not None and account_spec.state == "Suspended",
        suspended=False,
        # What is not understood is found by the checks, and says more than this would.
        readable=True,
        mint_time=current.mint_time,
        end=current.expiration_time,
        not_before=cut_of(evaluation.snapshot),
    )


def _account_of(snapshot: Snapshot) -> AccountFacts | None:
    """Return the account, unless it is being deleted: then its tokens are rejected."""
    return None if snapshot.account is None or snapshot.account.deleting else snapshot.account
