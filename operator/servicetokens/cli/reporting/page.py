"""The page of `servicetokens report`: built from an `Inventory`, by the time that the inventory was looked at."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final
from xml.etree.ElementTree import Element

from servicetokens.api import times
from servicetokens.api.reasons import Reason
from servicetokens.api.values import UNIT_SECONDS, format_time
from servicetokens.cli.reporting.inventory import Account, Inventory, Token, unused
from servicetokens.cli.reporting.markup import Child, document, element

DAY: Final = UNIT_SECONDS["d"]
# With more objects than this, a query is more useful than a longer page.
LISTED: Final = 200
_MONTHS: Final = 12
_NOTHING: Final = "\N{EN DASH}"
_ROWS_ADVICE: Final = "set --rows higher, or select one namespace with -n"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds until an end that is soon, seconds without use, and how many tokens the tables of accounts show."""

    expiring: int = 30 * DAY
    unused: int = 90 * DAY
    rows: int = 2000


@dataclass(frozen=True, slots=True)
class _List:
    """One list of tokens that need attention; *column* contains what is special about each."""

    anchor: str
    title: str
    meaning: str
    tokens: Sequence[Token]
    column: str
    tell: Callable[[Token], Child]


def build(inventory: Inventory, limits: Limits, namespaces: Sequence[str] = ()) -> str:
    """Return the whole page. It is the same for the same *inventory*."""
    now, tokens, accounts = inventory.now, inventory.tokens, inventory.accounts()
    lists = _lists(tokens, now, limits)
    where = f"of {', '.join(sorted(set(namespaces)))}" if namespaces else "of the whole cluster"
    body = element(
        "body",
        element(
            "header",
            element("h1", "Service tokens"),
            element("p", f"All accounts and tokens {where}, as of {times.minute(now)}.", class_="soft"),
        ),
        element("main", _numbers(tokens, accounts, lists), *_problem(inventory), *_timeline(tokens, now)),
    )
    for one in lists:
        body[-1].append(_listed(one))
    body[-1].append(_accounts(accounts, now, limits.rows))
    style = resources.files("servicetokens.cli.reporting").joinpath("report.css").read_text(encoding="utf-8")
    return document(f"Service tokens {where}", style, body)


def _lists(tokens: Sequence[Token], now: int, limits: Limits) -> Sequence[_List]:
    idle = unused(tokens, now - limits.unused)
    soon = [one for one in tokens if one.ends_by(now + limits.expiring)]
    revoked = [one for one in tokens if one.state == Reason.REVOKED]
    return (
        _List(
            "stuck",
            "Stuck",
            "The operator cannot continue with these until something is changed; the message says what.",
            [one for one in tokens if one.trouble],
            "Why",
            lambda one: one.trouble,
        ),
        _List(
            "waiting",
            "Waiting",
            "The operator waits for something that they refer to (a role, an account, the Secret of an import), or "
            "until the API server accepts their Secret.",
            [one for one in tokens if one.waits],
            "For what",
            lambda one: one.waits,
        ),
        _List(
            "expiring",
            "Expiring soon",
            f"They expire within {times.span(limits.expiring)} and are not replaced: they have no automatic rotation.",
            sorted(soon, key=lambda one: one.expires or 0),
            "Expires",
            lambda one: _time(one.expires, now),
        ),
        _List(
            "unused",
            "Unused",
            f"No validator has accepted them for {times.span(limits.unused)}; they may no longer be needed. "
            "Suspended ones are rejected until `spec.inUseTime` is set.",
            idle,
            "Last used",
            lambda one: element(
                "span",
                _time(one.used, now) if one.used is not None else times.last_use(None, now),
                ", suspended" if one.is_suspended else "",
            ),
        ),
        _List(
            "overlap",
            "Rotating",
            "Their previous credential is still valid alongside the new one, until the overlap ends.",
            sorted(
                (one for one in tokens if one.overlap_ends is not None), key=lambda one: one.overlap_ends or 0
            ),
            "Overlap ends",
            lambda one: _time(one.overlap_ends, now),
        ),
        _List(
            "revoked",
            "Revoked",
            "Validators reject them while `spec.state` is Revoked. The latest first.",
            sorted(revoked, key=lambda one: -(one.revoked or 0)),
            "Since",
            lambda one: element("span", _time(one.revoked, now), f" {one.revocation_reason}".rstrip()),
        ),
    )


def _numbers(tokens: Sequence[Token], accounts: Sequence[Account], lists: Sequence[_List]) -> Element:
    def number(count: int, words: str, anchor: str = "") -> Element:
        name: Child = element("a", words, href=f"#{anchor}") if anchor else words
        return element("li", element("strong", f"{count:,}"), name)

    valid = [one for one in tokens if one.is_valid]
    return element(
        "ul",
        number(len(accounts), "accounts", "accounts"),
        number(len(tokens), "tokens"),
        number(len(valid), "valid now"),
        *(number(len(one.tokens), one.title.lower(), one.anchor) for one in lists),
        number(sum(one.state == Reason.EXPIRED for one in tokens), "expired"),
        number(sum(one.expires is None for one in valid), "never expire"),
        class_="numbers",
    )


def _problem(inventory: Inventory) -> Iterable[Element]:
    if inventory.unreadable:
        yield element(
            "p",
            f"{inventory.unreadable:,} more objects could not be read: they are not in this report.",
            class_="bad",
        )


def _timeline(tokens: Sequence[Token], now: int) -> Iterable[Element]:
    """The next 12 months: how many tokens expire in each, and how many are replaced before they do."""
    months = [times.month(now, ahead) for ahead in range(_MONTHS + 1)]

    def by_month(moments: Iterable[int | None]) -> Counter[str]:
        # A rotation that is overdue happens now.
        found = [times.month(max(moment, now)) for moment in moments if moment is not None]
        return Counter(month if month in months else "later" for month in found)

    valid = [token for token in tokens if token.is_valid]
    ends = by_month(token.ends for token in valid)
    rotates = by_month(token.rotates for token in valid)
    never = sum(token.expires is None and token.rotates is None for token in valid)
    most = max((ends[month] + rotates[month] for month in (*months, "later")), default=0)
    yield element("h2", "The next 12 months")
    yield element(
        "p",
        "Valid tokens by the month in which they ",
        element("span", "■\N{NO-BREAK SPACE}expire", class_="ends"),
        " or ",
        element("span", "■\N{NO-BREAK SPACE}rotate automatically", class_="rotates"),
        f" next. Not included: {never:,} that do neither.",
    )
    rows = [_bar(month, ends[month], rotates[month], most) for month in (*months, "later")]
    head = element(
        "tr",
        element("th", "When", scope="col"),
        element("th", "Share", scope="col"),
        element("th", "Tokens", class_="count", scope="col"),
    )
    yield element("table", element("thead", head), element("tbody", *rows), class_="when")


def _bar(month: str, ends: int, rotates: int, most: int) -> Element:
    """A row; the picture repeats the numbers next to it, so that it need not be read out."""

    def part(count: int, before: int, kind: str) -> Element:
        left, width = (f"{100 * value / max(most, 1):.1f}%" for value in (before, count))
        return element("rect", class_=kind, x=left, y="10%", width=width, height="80%")

    picture = element("svg", part(ends, 0, "ends"), part(rotates, ends, "rotates"), aria_hidden="true")
    words = ", ".join(f"{count:,} {verb}" for count, verb in ((ends, "expire"), (rotates, "rotate")) if count)
    return element(
        "tr",
        element("th", month, scope="row"),
        element("td", picture),
        element("td", words or _NOTHING, class_="count"),
    )


def _listed(one: _List) -> Element:
    section = element(
        "section",
        element("h2", f"{one.title} ({len(one.tokens):,})"),
        element("p", one.meaning, class_="soft"),
    )
    section.set("id", one.anchor)
    if not one.tokens:
        section.append(element("p", "None."))
        return section
    columns = ("Token", "Account", one.column, "Description")
    rows = [
        (f"{token.namespace}/{token.name}", token.account, one.tell(token), token.description or _NOTHING)
        for token in one.tokens[:LISTED]
    ]
    section.append(element("div", _table(columns, rows), class_="box"))
    if len(one.tokens) > LISTED:
        section.append(element("p", f"And {len(one.tokens) - LISTED:,} more."))
    return section


def _accounts(accounts: Sequence[Account], now: int, rows: int) -> Element:
    section = element("section", element("h2", f"Accounts ({len(accounts):,})"), id="accounts")
    left, hidden, unseen = rows, 0, 0
    for account in accounts:
        shown = account.tokens[: max(left, 0)]
        hidden += len(account.tokens) - len(shown)
        if left > 0:
            section.append(_account(account, shown, now))
        else:
            unseen += 1
        # One without tokens takes room, too.
        left -= max(len(account.tokens), 1)
    if hidden or unseen:
        section.append(
            element("p", f"Not shown: {hidden:,} tokens, and {unseen:,} accounts as a whole; {_ROWS_ADVICE}.")
        )
    return section


def _account(account: Account, tokens: Sequence[Token], now: int) -> Element:
    box = element("article", element("h3", f"{account.namespace}/{account.name}"), class_="box")
    if account.is_missing:
        box.append(element("p", "This account does not exist: its tokens are rejected.", class_="bad"))
    if account.is_suspended:
        box.append(element("p", "Suspended: all of its tokens are rejected.", class_="bad"))
    words = ". ".join(part.rstrip(".") for part in (account.display_name, account.description) if part)
    if words:
        box.append(element("p", words))
    box.append(element("p", f"Roles: {', '.join(account.roles) or 'none'}", class_="soft"))
    if not account.tokens:
        box.append(element("p", "No tokens."))
        return box
    columns = ("Token", "Id", "State", "Expires", "Rotates", "Last used")
    box.append(_table(columns, [_row(token, now) for token in tokens]))
    if len(tokens) < len(account.tokens):
        box.append(element("p", f"And {len(account.tokens) - len(tokens):,} more."))
    return box


def _row(token: Token, now: int) -> Sequence[Child]:
    ends: Child = _time(token.expires, now)
    if token.expires is None:
        ends = "never" if token.is_valid else _NOTHING
    return (
        token.name,
        token.token_id or _NOTHING,
        element("span", token.state, class_="good" if token.is_valid else "bad"),
        ends,
        _time(token.rotates, now),
        _time(token.used, now) if token.used is not None or not token.minted else times.last_use(None, now),
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[Child]]) -> Element:
    """A table that a phone shows as cards; the roles keep it a table for screen readers."""
    head = element(
        "tr", *(element("th", name, scope="col", role="columnheader") for name in columns), role="row"
    )
    body = [
        element(
            "tr",
            *(
                element(
                    "td",
                    element("span", cell) if isinstance(cell, str) else cell,
                    role="cell",
                    data_label=name,
                )
                for name, cell in zip(columns, row, strict=True)
            ),
            role="row",
        )
        for row in rows
    ]
    return element(
        "table",
        element("thead", head, role="rowgroup"),
        element("tbody", *body, role="rowgroup"),
        class_="cards",
        role="table",
    )


# Times.


def _time(moment: int | None, now: int) -> Element:
    if moment is None:
        return element("span", _NOTHING)
    return element(
        "time", f"{times.day(moment)} ({times.relative(moment, now)})", datetime=format_time(moment)
    )
