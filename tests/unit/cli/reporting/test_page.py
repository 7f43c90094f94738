"""The page of `servicetokens report`: what it counts, what it shows, and what it can never show."""

import json
from html.parser import HTMLParser

import pytest

from common.builders.reported import DAY, NOW, VERIFIER, account, demo, inventory, many, token
from servicetokens.cli.reporting.inventory import Inventory, unused
from servicetokens.cli.reporting.markup import MAX_TEXT
from servicetokens.cli.reporting.page import LISTED, Limits, build

PASTED = "svt_0123456789AB_" + "003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGr"
HOSTILE = {
    "a script": "<script>alert(1)</script>",
    "an attribute": '" onmouseover="alert(1)',
    "an image": "<img src=https://evil.example/x onerror=alert(1)>",
    "the end of a style": "</style></title><svg onload=alert(1)>",
    "an entity": "&lt;b&gt; &#x3c;i&#x3e;",
    "turned around": "safe \u202e gnorw",
    "control characters": "a\x00b\x1b[31mc",
    "a lone surrogate's neighbour": "\ufffe\uffff",
}


class Reader(HTMLParser):
    """Collects tags, attributes and words, as a browser would."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """See `HTMLParser`."""
        self.words.append(data)


def page(found: Inventory, **limits: int) -> Reader:
    """Return the page, read."""
    return Reader(build(found, Limits(**limits)))


def listed(found: Reader, title: str) -> list[str]:
    """Return the words of the section with *title*, up to the next one."""
    titles = ("Stuck (", "Waiting (", "Expiring soon (", "Unused (", "Rotating (", "Revoked (", "Accounts (")
    starts = [at for at, words in enumerate(found.words) if words.startswith(titles)]
    start = next(at for at in starts if found.words[at].startswith(f"{title} ("))
    return found.words[start + 1 : next(at for at in starts if at > start)]


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Stuck", {"shop/search-index"}),
        ("Waiting", {"shop/reports-weekly"}),
        ("Expiring soon", {"payments/ledger"}),
        ("Unused", {"platform/old-site", "platform/notebook"}),
        ("Rotating", {"payments/ci-prod"}),
        ("Revoked", {"shop/acme-2025"}),
    ],
)
def test_each_list_names_what_belongs_there(title: str, names: set[str]) -> None:
    """Of the thirteen tokens of the demonstration, and no other."""
    found = demo()
    everything = {f"{one.namespace}/{one.name}" for one in found.tokens}
    assert everything & set(listed(page(found), title)) == names


def test_the_numbers_are_those_of_all_tokens() -> None:
    """Each next to its word."""
    words = [one.strip() for one in page(demo()).words if one.strip()]
    numbers = {name: words[words.index(name) - 1] for name in ("accounts", "tokens", "valid now", "expired")}
    assert numbers == {"accounts": "8", "tokens": "13", "valid now": "8", "expired": "1"}
    assert words[words.index("never expire") - 1] == "2"


def test_the_same_estate_gives_the_same_page() -> None:
    """No clock is read."""
    assert build(demo(), Limits()) == build(demo(), Limits())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_becomes_markup(text: str) -> None:
    """Wherever people may write, in objects that an API server without our schema could hold."""
    plain = page(
        inventory([account("a", "b")], [token("a", "b", "c", description="x", stalled="x", reason="x")])
    )
    accounts = [account("a", "b", displayName=text, description=text, roles=[text])]
    tokens = [
        token("a", "b", "c", description=text, stalled=text, reason=text),
        token("a", text, text, state=text),
    ]
    found = page(inventory(accounts, tokens))
    assert set(found.tags) <= set(plain.tags) | {"a", "td", "tr", "article"}
    assert {name for name, _ in found.attributes} <= {name for name, _ in plain.attributes}
    shown = "".join(found.words)
    assert "\u202e" not in shown
    assert "\x00" not in shown
    assert "\x1b" not in shown


def test_what_was_written_is_shown_as_it_was_written() -> None:
    """Escaped for the browser, which shows the same characters."""
    text = """<b> & "quotes" 'single' &amp; ümläut 漢字"""
    assert text in page(inventory([account("a", "b", description=text)], [])).words


def test_neither_a_verifier_nor_a_pasted_token_is_on_it() -> None:
    """A user may have put a token into a description."""
    found = inventory(
        [account("a", "b", description=f"use {PASTED}")],
        [token("a", "b", "c", description=PASTED, stalled=f"saw {PASTED}!", ends=3)],
    )
    text = build(found, Limits())
    assert VERIFIER not in text
    assert PASTED.split("_")[2] not in text
    assert "use svt_0123456789AB_…" in text


def test_nothing_is_loaded_from_anywhere() -> None:
    """No script, no address but those within the page, and a policy that says so."""
    found = page(demo())
    assert {"script", "link", "img", "iframe", "form", "object"} & set(found.tags) == set()
    targets = [value for name, value in found.attributes if name in {"href", "src", "style", "action"}]
    assert targets
    assert all(value.startswith("#") for value in targets)
    (policy,) = [value for name, value in found.attributes if name == "content" and "default-src" in value]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert {value[1:] for value in targets} <= {value for name, value in found.attributes if name == "id"}


def test_a_page_has_a_greatest_size() -> None:
    """Ten thousand tokens are counted, and the tables show as many as they may."""
    found = many(10_000)
    text = build(found, Limits())
    words = Reader(text).words
    assert "10,000" in words
    assert any(one.startswith("Not shown: 8,000 tokens, and 800 accounts") for one in words)
    assert any(one.startswith("And ") and one.endswith(" more.") for one in words)
    assert text.count('data-label="Id"') == 2000
    assert text.count('data-label="Description"') <= 5 * LISTED
    # A byte for each of ten thousand more tokens would be four times as much.
    most = len(build(many(20_000), Limits()))
    assert most < 1.0025 * len(text)


def test_a_long_text_is_cut() -> None:
    """The object has the rest."""
    found = page(inventory([account("a", "b", description="d" * 1024)], []))
    assert "d" * (MAX_TEXT - 1) + "…" in found.words


def test_an_end_that_the_operator_has_not_noticed_is_an_end() -> None:
    """It may be down: its last word is that the token is valid."""
    (one,) = inventory([], [token("a", "b", "c", ends=-1)]).tokens
    assert (one.state, one.is_valid) == ("Expired", False)


def test_a_token_without_status_waits() -> None:
    """It was just created."""
    bare = {"metadata": {"namespace": "a", "name": "c"}, "spec": {"accountRef": {"name": "b"}}}
    (one,) = inventory([], [bare]).tokens
    assert (one.state, one.expires, one.is_valid) == ("Waiting for the operator", None, False)


def test_an_odd_object_costs_the_others_nothing() -> None:
    """It is counted, and the page says so; a time that is none is as if it did not exist."""
    found = demo()
    found.add_token(b'{"metadata": {"name": 7}, "spec": {}}')
    found.add_account(b'{"metadata": []}')
    odd = token("a", "b", "odd-times")
    odd["status"]["expirationTime"] = "soon"
    found.add_token(json.dumps(odd).encode())
    read = page(found)
    assert any(words.startswith("2 more objects could not be read") for words in read.words)
    assert "odd-times" in read.words


def test_unused_is_measured_from_the_last_use_or_else_from_the_mint() -> None:
    """A recently minted token that was not presented yet is not unused."""
    tokens = [
        token("a", "b", "young", minted=-1, used=None),
        token("a", "b", "never", minted=-100, used=None),
        token("a", "b", "idle", minted=-300, used=-91),
        token("a", "b", "busy", minted=-300, used=-89),
        token("a", "b", "revoked", minted=-300, used=-200, state="Revoked", revoked=-1),
        token("a", "b", "suspended", minted=-300, used=-60, state="UnusedForLong"),
    ]
    found = unused(inventory([], tokens).tokens, NOW - 90 * DAY)
    assert [one.name for one in found] == ["never", "idle", "suspended"]
    assert ", suspended" in listed(page(inventory([], tokens)), "Unused")


def test_the_limits_decide_what_is_soon_and_what_is_unused() -> None:
    """`--expiring` and `--unused`."""
    found = demo()
    assert "platform/notebook" in listed(page(found, expiring=300 * DAY), "Expiring soon")
    assert "platform/old-site" not in listed(page(found, unused=300 * DAY), "Unused")


def test_the_months_show_what_expires_without_a_replacement_and_what_rotates() -> None:
    """A fixed expiration counts although the token rotates; an overdue rotation counts now."""
    fixed = token("a", "b", "fixed", ends=100, rotates=40)
    fixed["spec"]["expirationTime"] = fixed["status"]["expirationTime"]
    tokens = [
        fixed,
        token("a", "b", "moves", ends=100, rotates=40),
        token("a", "b", "overdue", ends=30, rotates=-40),
        token("a", "b", "plain", ends=100),
        token("a", "b", "late", ends=700),
        token("a", "b", "never", ends=None),
        token("a", "b", "revoked", ends=100, state="Revoked", revoked=-1),
    ]
    words = page(inventory([account("a", "b")], tokens)).words
    counts = {month: words[words.index(month) + 1] for month in ("2026-11", "2027-01", "2027-03", "later")}
    assert counts == {
        "2026-11": "1 rotate",
        "2027-01": "2 rotate",
        "2027-03": "2 expire",
        "later": "1 expire",
    }
    assert any("Not included: 1 that do neither." in one for one in words)


def test_a_fixed_end_expires_soon_although_the_token_rotates() -> None:
    """Rotations do not move it."""
    fixed = token("a", "b", "fixed", ends=20, rotates=10)
    fixed["spec"]["expirationTime"] = fixed["status"]["expirationTime"]
    found = page(inventory([account("a", "b")], [fixed, token("a", "b", "moves", ends=20, rotates=10)]))
    assert {"a/fixed", "a/moves"} & set(listed(found, "Expiring soon")) == {"a/fixed"}


def test_the_accounts_that_only_tokens_name_are_there() -> None:
    """With a word about it."""
    words = page(demo()).words
    assert "shop/reports" in words
    assert "This account does not exist: its tokens are rejected." in words
    assert "Suspended: all of its tokens are rejected." in words
