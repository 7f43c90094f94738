"""Why a presented token is valid or not, check by check. The validator's own code decides (`simulation`).

Whether the keyed hash matches is known to validators alone: no other process has the key. Users who may read the Secret
can compare the value instead; `--ask` asks a validator.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from servicetokens.api import names, times
from servicetokens.api.reasons import ABOUT_THE_REQUEST, Reason
from servicetokens.authn.decision import Accepted, Rejected
from servicetokens.authn.records import Account
from servicetokens.cli.findings import Finding, Level
from servicetokens.cli.listing import exact
from servicetokens.cli.pasting import what_is_around
from servicetokens.cli.simulation import Request, SimulatedDecision
from servicetokens.cli.views import TokenView, texts
from servicetokens.tokens.format import PREFIX_PATTERN, MalformedToken, Token, find_id, length_of, parse_any
from servicetokens.tokens.lifetime import MAX_CLOCK_SKEW

OK, BAD, WARNING, UNKNOWN = Level.OK, Level.BAD, Level.WARNING, Level.UNKNOWN


class Answer(Enum):
    """The answer of a validator."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    #: Valid, and this request is not allowed.
    NOT_ALLOWED = "not allowed"
    #: Rejected, without knowing the audience or the client address, which the token is restricted to.
    UNDESCRIBED = "undescribed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Known:
    """All findings. *judgement* None: no ServiceToken was found that has the id.

    *complete* says that it would have been found; *compared* is whether the value was that in the Secret, None when
    that is not known. *answer* is that of a validator, which counts before anything that is read here; None when none
    was asked.
    """

    simulated: SimulatedDecision | None
    complete: bool
    compared: bool | None = None
    answer: Answer | None = None


def miscounted(text: str) -> str:
    """Return how many characters are missing or too many in what begins as a token of the default prefix does."""
    expected = length_of(names.DEFAULT_PREFIX)
    if not text.startswith(f"{names.DEFAULT_PREFIX}_") or len(text) == expected:
        return ""
    return f" ({len(text)} characters, while a token has {expected})"


def of_text(text: str) -> tuple[list[Finding], Token | None]:
    """Check the *text* alone, and return the token, if it is one. Only the public id is quoted."""
    prefix = text.partition("_")[0]
    if not PREFIX_PATTERN.fullmatch(prefix) or find_id(text, prefix) is None:
        what = what_is_around(text) or "expected <prefix>_<12 characters>_<49 characters>"
        size = f"{len(text)} characters" if text else "there is nothing on stdin"
        return [Finding(BAD, "format", f"{size}; not a service token: {what}")], None
    found = [Finding(OK, "format", f"prefix '{prefix}', public id {find_id(text, prefix)}")]
    try:
        token = parse_any(text)
    except MalformedToken as error:
        return [*found, Finding(BAD, "checksum", str(error))], None
    return [*found, Finding(OK, "checksum", "no character is wrong or missing")], token


def of_object(token: TokenView, found: SimulatedDecision, request: Request, now: int) -> Iterator[Finding]:
    """Tell each check that *token* passes or fails."""
    yield Finding(OK, "known", f"ServiceToken {token.namespace}/{token.name}")
    record, credential = found.record, found.credential
    if record is None or credential is None:
        since = token.end if token.end is not None and token.end <= now and not token.credentials else None
        ended = (
            f"it has expired, {exact(since, now)}" if since is not None else "it was rotated, or never minted"
        )
        yield Finding(BAD, "credential", f"validators no longer accept this credential: {ended}")
        return
    yield _state(token, found, now)
    yield _expiry(token, found, now)
    yield _mint(record.account, credential.mint_time, now)
    yield _account(token, record.account, record.account_uid)
    yield from _restrictions(token, found, request)
    if not token.is_observed:
        yield Finding(WARNING, "operator", "has not reconciled the latest spec yet")
    yield Finding(OK, "last used", times.last_use(token.last_used, now))


def of_value(token: TokenView, presented: Token, stored: Token | None, why_not: str) -> Finding:
    """Compare with the value in the Secret; *stored* is None when it could not be read, and *why_not* says why."""
    if stored is None:
        return Finding(UNKNOWN, "value", f"not compared with the Secret: {why_not}")
    if presented == stored:
        return Finding(OK, "value", f"it is the value in the Secret '{token.secret}'")
    if presented.id == stored.id:
        return Finding(BAD, "value", "the id is right but the rest is not: it was changed or invented")
    return Finding(
        UNKNOWN, "value", "the Secret holds a newer one; only a validator can check it (use --ask URL)"
    )


def unsaid(found: SimulatedDecision | None, request: Request) -> str:
    """Return what a validator must know of the request, and was not told; empty when nothing is missing."""
    if found is None or found.record is None or not found.is_accepted:
        return ""
    restrictions = found.record.restrictions
    missing = []
    if restrictions.audiences and request.audience is None and request.host is None:
        missing.append("the audience (--audience or --host)")
    if restrictions.networks and request.client is None:
        missing.append("the client's address (--from; validators accept it from trusted proxies only)")
    return " and ".join(missing)


def conclusion(known: Known) -> Finding:
    """Return the last line: whether the token is valid, in plain words."""
    if known.answer not in {None, Answer.NONE}:
        return _of_answer(known)
    found = _of_objects(known)
    if known.answer is Answer.NONE and found.level is not BAD:
        return Finding(
            UNKNOWN,
            "result",
            f"unknown: the validator gave no answer; by its objects, {found.message.removeprefix('unknown: ')}",
        )
    return found


def _of_objects(known: Known) -> Finding:
    simulated = known.simulated
    if known.compared is False:
        return Finding(BAD, "result", f"not valid: {Reason.WRONG_SECRET.meaning}")
    if simulated is None:
        if known.complete:
            return Finding(BAD, "result", f"not valid here: {Reason.UNKNOWN.meaning}")
        return Finding(
            UNKNOWN, "result", "unknown: its ServiceToken was not found where you have permission to look"
        )
    if isinstance(simulated.decision, Accepted):
        if known.compared:
            return Finding(OK, "result", "valid: validators accept it")
        return Finding(
            UNKNOWN,
            "result",
            "unknown: a token with this id is valid, but whether this is its value was not checked (use --ask URL)",
        )
    if not isinstance(simulated.decision, Rejected):
        return Finding(UNKNOWN, "result", "unknown: validators would not answer")
    reason = simulated.decision.reason
    if reason in ABOUT_THE_REQUEST:
        return Finding(BAD, "result", f"valid, but not for this request: {reason.meaning}")
    return Finding(BAD, "result", f"not valid: {reason.meaning}")


def _of_answer(known: Known) -> Finding:
    if known.answer is Answer.ACCEPTED:
        return Finding(OK, "result", "valid: the validator accepts it")
    if known.answer is Answer.UNDESCRIBED:
        return Finding(UNKNOWN, "result", "unknown: describe the request that the validator is asked about")
    if known.answer is Answer.NOT_ALLOWED:
        return Finding(BAD, "result", "valid, but not for this request: the validator does not allow it")
    decision = known.simulated.decision if known.simulated is not None else None
    why = f": {decision.reason.meaning}" if isinstance(decision, Rejected) else ""
    return Finding(BAD, "result", f"not valid: the validator rejects it{why}")


def _state(token: TokenView, found: SimulatedDecision, now: int) -> Finding:
    assert found.record is not None  # noqa: S101 - checked by the caller
    state = found.record.state
    if state.deleting:
        return Finding(BAD, "state", "being deleted; a finalizer keeps the object")
    if state.revoked:
        reason = token.spec.get("revocationReason")
        return Finding(BAD, "state", f"revoked{f' ({reason})' if reason else ''}")
    if state.suspended:
        since = exact(token.suspended_at, now)
        return Finding(BAD, "state", f"suspended {since} because it was not used; `restore` undoes it")
    if not state.readable:
        return Finding(BAD, "state", "its spec or status holds a value that is not understood")
    return Finding(OK, "state", "neither revoked nor suspended")


def _expiry(token: TokenView, found: SimulatedDecision, now: int) -> Finding:
    assert found.credential is not None  # noqa: S101 - checked by the caller
    end = found.credential.end
    if end is not None and end <= now:
        return Finding(BAD, "expiry", f"expired {exact(end, now)}")
    if found.credential.id != token.id:
        return Finding(WARNING, "expiry", f"it was rotated; its overlap ends {exact(end, now)}")
    return Finding(
        OK, "expiry", f"current, {'never expires' if end is None else f'expires {exact(end, now)}'}"
    )


def _mint(account: Account, minted: int, now: int) -> Finding:
    if minted > now + MAX_CLOCK_SKEW:
        return Finding(
            BAD, "minted", f"{exact(minted, now)}: in the future: it was forged, or clocks disagree"
        )
    bound = account.not_before
    if bound is not None and minted < bound:
        level = BAD if bound <= now else WARNING
        return Finding(level, "minted", f"before the account's tokensNotBeforeTime, {exact(bound, now)}")
    return Finding(OK, "minted", exact(minted, now))


def _account(token: TokenView, account: Account, account_uid: str) -> Finding:
    name = f"ServiceAccount {token.namespace}/{token.account}"
    if not account.uid:
        return Finding(BAD, "account", f"{name} does not exist, or is being deleted")
    if account.uid != account_uid:
        return Finding(BAD, "account", f"{name} was created again; the token belonged to the old one")
    if account.suspended:
        return Finding(BAD, "account", f"{name} is suspended")
    if not account.readable:
        return Finding(BAD, "account", f"{name} holds a value that is not understood")
    return Finding(OK, "account", f"{name} is active")


def _restrictions(token: TokenView, found: SimulatedDecision, request: Request) -> Iterator[Finding]:
    reason = found.decision.reason if isinstance(found.decision, Rejected) else None
    for topic, kind, field, said, reasons in (
        ("audiences", "service", "audiences", request.audience or request.host, {Reason.AUDIENCE}),
        (
            "networks",
            "network",
            "allowedCIDRs",
            request.client,
            {Reason.CLIENT_ADDRESS, Reason.NO_CLIENT_ADDRESS},
        ),
    ):
        limits = texts(token.spec.get(field))
        allowed = f"only {', '.join(limits)}" if limits else f"any {kind}"
        if reason in reasons:
            yield Finding(BAD, topic, f"{allowed}: not {said}")
        else:
            yield Finding(OK, topic, allowed)
    yield _roles(found, reason)


def _roles(found: SimulatedDecision, reason: Reason | None) -> Finding:
    names = ", ".join(found.roles) or "none"
    if reason is Reason.REQUEST_NOT_ALLOWED:
        return Finding(BAD, "roles", f"{names}: none allows this request")
    if reason is Reason.ROLE_MISSING:
        return Finding(BAD, "roles", "none is granted, so no request is allowed")
    if not found.knows_roles and found.asks_for_roles:
        return Finding(
            UNKNOWN,
            "roles",
            "you do not have permission to read ServiceRoles: whether they are granted is not checked",
        )
    if found.roles:
        return Finding(OK, "roles", names)
    if found.asks_for_roles:
        return Finding(WARNING, "roles", "none is granted, so proxies answer 403 to every request")
    return Finding(WARNING, "roles", "none is requested, so proxies answer 403 to every request")
