"""The description of a request, for `verify`: what no client could send is rejected."""

import re

import click
import pytest

from servicetokens.cli.describing import described
from servicetokens.cli.simulation import Request


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("method", "G T", "'G T' is not an HTTP method"),
        ("method", "", "--method is empty: was a variable not set?"),
        ("path", "orders", "a path begins with '/'"),
        ("path", "/a b", "percent-encoded"),
        ("path", "/a#b", "percent-encoded"),
        ("path", "/ä", "percent-encoded"),
        ("host", "https://api.example.com", "leave out scheme, path and user"),
        ("host", "api.example.com/orders", "leave out scheme, path and user"),
        ("host", "me@api.example.com", "leave out scheme, path and user"),
        ("audience", "a b", "white space"),
        ("client", "localhost", "'localhost' is not an IP address"),
        ("client", "", "--from is empty"),
    ],
)
def test_text_that_no_request_can_contain_is_rejected(option: str, value: str, said: str) -> None:
    """With the option, or what to leave out."""
    nothing = dict.fromkeys(("method", "path", "host", "audience", "client"))
    with pytest.raises(click.UsageError, match=re.escape(said)):
        described(**{**nothing, option: value})


def test_what_is_part_of_a_request_is_taken() -> None:
    """Hosts with ports and IPv6 addresses, methods of extensions, paths with queries."""
    for host in ("api.example.com:8443", "[::1]:8080", "localhost", "a_b.example."):
        request = described("M-SEARCH", "/orders/7?x=%20", host, "https://api.example.com", "::1")
        assert request == Request("M-SEARCH", "/orders/7?x=%20", host, "https://api.example.com", "::1")
