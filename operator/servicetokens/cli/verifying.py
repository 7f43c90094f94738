"""Why a presented token is good or not, check by check, in the order in which the validator asks.

Whether the keyed hash fits is known to validators alone: nobody else has the key. Whoever may read the Secret
can compare instead; `--ask` asks a validator.
"""

from collections.abc import Iterator

from servicetokens.cli import age
from servicetokens.cli.findings import Finding, Level
from servicetokens.cli.listing import exact
from servicetokens.cli.views import AccountView, TokenView, texts
from servicetokens.tokens.format import PREFIX_PATTERN, MalformedToken, Token, find_id, parse_any

OK, BAD, WARNING, UNKNOWN = Level.OK, Level.BAD, Level.WARNING, Level.UNKNOWN


def of_text(text: str) -> tuple[list[Finding], Token | None]:
    """Judge the *text* alone, and return the token, if it is one. Nothing of it is quoted but the public id."""
    prefix = text.partition("_")[0]
    if not PREFIX_PATTERN.fullmatch(prefix) or find_id(text, prefix) is None:
        what = "it has not the form <prefix>_<12 characters>_<49 characters>: cut off, or not one of these tokens"
        return [Finding(BAD, "format", f"{len(text)} characters; {what}")], None
    found = [Finding(OK, "format", f"prefix '{prefix}', public id {find_id(text, prefix)}")]
    try:
        token = parse_any(text)
    except MalformedToken as error:
        return [*found, Finding(BAD, "checksum", str(error))], None
    return [*found, Finding(OK, "checksum", "no character is wrong or missing")], token


def of_token(token: TokenView, presented: Token, now: int) -> Iterator[Finding]:
    """Judge what its ServiceToken says."""
    yield Finding(OK, "known", f"ServiceToken '{token.name}' in namespace '{token.namespace}'")
    yield _credential(token, presented.id, now)
    if token.is_revoked:
        reason = token.spec.get("revocationReason")
        yield Finding(BAD, "revoked", f"it is revoked{f' ({reason})' if reason else ''}")
    else:
        yield Finding(OK, "revoked", "it is not")
    if not token.is_observed:
        yield Finding(WARNING, "operator", "has not answered the present spec yet")
    for topic, kind, field in (
        ("audiences", "service", "audiences"),
        ("networks", "network", "allowedCIDRs"),
    ):
        limits = texts(token.spec.get(field))
        yield Finding(OK, topic, f"only {', '.join(limits)}" if limits else f"any {kind}")
    yield Finding(OK, "last used", age.last_use(token.last_used, now))


def of_account(token: TokenView, account: AccountView | None) -> Iterator[Finding]:
    """Judge the account that *token* speaks for."""
    if account is None:
        yield Finding(
            BAD, "account", f"there is no ServiceAccount '{token.account}', so nobody vouches for it"
        )
        return
    if token.status.get("accountUID") not in {None, account.uid}:
        yield Finding(BAD, "account", f"'{account.name}' was created anew; the token belonged to the old one")
    elif account.spec.get("state") == "Suspended":
        yield Finding(BAD, "account", f"'{account.name}' is suspended")
    else:
        yield Finding(OK, "account", f"'{account.name}' is active")
    roles = token.condition("RolesAccepted")
    if roles is not None:
        yield Finding(OK if roles.status == "True" else WARNING, "roles", roles.message)


def of_value(token: TokenView, presented: Token, stored: Token | None, why_not: str) -> Finding:
    """Compare with the value in the Secret; *stored* is None when it could not be read, and *why_not* says why."""
    if stored is None:
        return Finding(UNKNOWN, "value", f"not compared with the Secret: {why_not}")
    if presented == stored:
        return Finding(OK, "value", f"it is the value in the Secret '{token.secret}'")
    if presented.id == stored.id:
        return Finding(BAD, "value", "the id is right and the rest is not: it was changed or made up")
    return Finding(UNKNOWN, "value", "the Secret holds a newer one; only a validator can tell (--ask URL)")


def _credential(token: TokenView, presented_id: str, now: int) -> Finding:
    found = next((one for one in token.credentials if one.id == presented_id), None)
    if found is None:
        ended = f", since {exact(token.end, now)}" if token.end is not None and token.end <= now else ""
        return Finding(BAD, "expiry", f"this credential is accepted no more{ended}")
    if found.end is not None and found.end <= now:
        return Finding(BAD, "expiry", f"it ended {exact(found.end, now)}")
    if found.id != token.id:
        return Finding(WARNING, "expiry", f"it was rotated; its overlap ends {exact(found.end, now)}")
    ends = "never ends" if found.end is None else f"ends {exact(found.end, now)}"
    return Finding(OK, "expiry", f"current, {ends}")
