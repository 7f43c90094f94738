"""Names as people paste them."""

import re

import click
import pytest

from servicetokens.api import names
from servicetokens.cli.naming import did_you_mean, grouped, name_of, plural_of, split

TOKENS, ACCOUNTS = names.PLURAL_TOKENS, names.PLURAL_ACCOUNTS


@pytest.mark.parametrize(
    "word",
    [
        *("token", "tokens", "servicetoken", "servicetokens", "svctok", "ServiceToken"),
        *("servicetoken.servicetokens.dev", "servicetokens.servicetokens.dev", "svctok.servicetokens.dev"),
        "servicetokens.v1beta1.servicetokens.dev",
    ],
)
def test_a_type_is_known_in_every_form_of_kubectl(word: str) -> None:
    """Singular, plural, short, with group and version, and before a name."""
    assert plural_of(word) == TOKENS
    assert name_of(f"{word}/ci-prod", TOKENS) == "ci-prod"
    assert split([word, "a", f"{word}/b"]) == (TOKENS, ["a", "b"])


def test_words_are_names_unless_the_first_is_a_type() -> None:
    """`get ci-prod` means a token."""
    assert split([]) == (TOKENS, [])
    assert split(["ci-prod", "svctok/web"]) == (TOKENS, ["ci-prod", "web"])
    assert split(["svcacct/ci"]) == (ACCOUNTS, ["ci"])
    assert split(["accounts"]) == (ACCOUNTS, [])
    assert split(["accounts", "tokens"]) == (ACCOUNTS, ["tokens"])
    assert plural_of("servicetokens.example.com") is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["svctok/a", "svcacct/b"], "one type at a time"),
        (["a", "svcacct/b"], "one type at a time"),
        (["pod/a"], "is not TYPE/NAME of servicetokens.dev"),
        (["svctok/"], "is not TYPE/NAME"),
        ([""], "a name is empty"),
        (["tokens", ""], "a name is empty"),
        (["tokens", "svcacct/b"], "'svcacct/b' is a ServiceAccount; this command needs a ServiceToken"),
    ],
)
def test_a_name_of_another_type_is_rejected(words: list[str], said: str) -> None:
    """With both types named."""
    with pytest.raises(click.UsageError, match=re.escape(said)):
        split(words)


def test_names_of_several_types_are_grouped() -> None:
    """For `get`, which shows one table after the other, as kubectl does."""
    assert grouped(["svctok/a", "svcacct/ci", "svctok/b"]) == {TOKENS: ["a", "b"], ACCOUNTS: ["ci"]}
    assert grouped(["a", "svcacct/ci"]) == {TOKENS: ["a"], ACCOUNTS: ["ci"]}
    assert grouped(["accounts,tokens"]) == {ACCOUNTS: [], TOKENS: []}
    assert grouped(["tokens,svcacct", "x"]) == {TOKENS: ["x"], ACCOUNTS: ["x"]}
    assert grouped(["a,b"]) == {TOKENS: ["a,b"]}
    assert grouped([]) == {TOKENS: []}


def test_similar_names_are_offered() -> None:
    """And others are not."""
    assert did_you_mean("ci-pord", ["ci-prod", "web"]) == "; did you mean 'ci-prod'?"
    assert did_you_mean("ci-", ["ci-1", "ci-22"]) == "; did you mean 'ci-1' or 'ci-22'?"
    assert did_you_mean("zzz", ["ci-prod"]) == ""
