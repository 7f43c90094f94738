"""What has happened to a token and what will, in the order of time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from servicetokens.api.origin import Origin
from servicetokens.cli.views import CredentialView, Raw, TokenView, mapping, moment, number, text


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """At *at* (Unix seconds), *what*."""

    at: int
    what: str


def timeline(token: TokenView, events: Iterable[Raw]) -> Sequence[TimelineEntry]:
    """Return all that is known of the past and the future of *token*; each thing once."""
    known = [*_of_status(token), *_of_events(events)]
    # What happened in the same second stays in this order: an object is created before anything is minted for it.
    return sorted(dict.fromkeys(known), key=lambda happening: happening.at)


def standing(token: TokenView, credential: CredentialView) -> str:
    """Return what *credential* is to *token*, as in `mint 2, current`."""
    if credential.origin is Origin.IMPORTED:
        return "imported"
    if credential.is_pending:
        role = "next, not in the Secret yet"
    else:
        role = "current" if credential.id == token.id else "previous, in overlap"
    return f"mint {credential.serial}, {role}"


def _of_status(token: TokenView) -> Iterator[TimelineEntry]:
    if token.created is not None:
        yield TimelineEntry(token.created, "created")
    for one in token.credentials:
        if one.minted is not None:
            yield TimelineEntry(one.minted, f"{one.id} {_beginning(one)}")
    for at, what in (
        (moment(token.status.get("revocationTime")), "revoked"),
        (moment(token.status.get("restorationTime")), "restored"),
        (moment(token.status.get("suspensionTime")), "suspended: not used"),
        (token.last_used, "last accepted (to the hour)"),
        (token.next_rotation, "rotates"),
    ):
        if at is not None:
            yield TimelineEntry(at, what)
    for one in token.credentials:
        # The lifetime of the next one begins when it is delivered, and that time is not known yet.
        if one.end is not None and not one.is_pending:
            yield TimelineEntry(one.end, f"{one.id} {_ending(token, one)}")
    if token.end is not None and not token.credentials:
        yield TimelineEntry(token.end, "expired")


def _beginning(credential: CredentialView) -> str:
    if credential.is_pending:
        return "minted, and not in the Secret yet"
    return "imported" if credential.origin is Origin.IMPORTED else "minted"


def _ending(token: TokenView, credential: CredentialView) -> str:
    if credential.id == token.id:
        return "expires"
    return (
        "expires: the cut-over of the import"
        if credential.origin is Origin.IMPORTED
        else "expires: its overlap ends"
    )


def _of_events(events: Iterable[Raw]) -> Iterator[TimelineEntry]:
    for event in events:
        series = mapping(event.get("series"))
        at = moment(series.get("lastObservedTime")) or moment(event.get("eventTime"))
        if at is not None:
            times = number(series.get("count"), default=1)
            often = f" ({times} times)" if times > 1 else ""
            yield TimelineEntry(at, f"{text(event.get('reason'))}{often}: {text(event.get('note'))}")
