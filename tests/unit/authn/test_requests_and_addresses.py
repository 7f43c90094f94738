"""Rules about requests, and addresses: what fits, and what is too ambiguous to fit anything."""

import pytest

from servicetokens.authn.addresses import Origin, find_client, parse_address, parse_network
from servicetokens.authn.requests import HttpRequest, compile_rule, is_allowed

PATTERNS = {
    "/orders": (["/orders"], ["/orders/", "/orders/1", "/Orders", "/order", ""]),
    "/orders/*": (["/orders/1", "/orders/a.b"], ["/orders", "/orders/", "/orders/1/2"]),
    "/orders/**": (["/orders/", "/orders/1", "/orders/1/2"], ["/orders", "/ordersx"]),
    "/*/items": (["/1/items"], ["//items", "/1/2/items"]),
    "/**": (["/", "/a/b"], [""]),
    "/": (["/"], ["/a", ""]),
    "/a.b": (["/a.b"], ["/axb"]),
}


@pytest.mark.parametrize(("pattern", "paths"), PATTERNS.items(), ids=PATTERNS)
def test_paths_fit_a_pattern_as_a_whole(pattern: str, paths: tuple[list[str], list[str]]) -> None:
    """A star is one segment, two at the end are the rest; nothing else means anything."""
    rules = (compile_rule(None, None, [pattern]),)
    fitting, others = paths
    assert [path for path in fitting if not is_allowed(HttpRequest("GET", "", path), rules)] == []
    assert [path for path in others if is_allowed(HttpRequest("GET", "", path), rules)] == []


@pytest.mark.parametrize(
    "path",
    [
        "/a/../b",
        "/..",
        "//a",
        "/a//b",
        "/a%2fb",
        "/a%2Fb",
        "/%2e%2e/b",
        "/a%5cb",
        "/a\\b",
        "/a/./b",
        "/a/.",
        "/a/.;x/b",
        "/a/;x/b",
        "/a#b",
        "/a|b",
        "/a\u00e4",
        "/a%00b",
        "/a%0ab",
        "/a%7fb",
        "/a%252eb",
        "/a%c0%aeb",
        "/a%e0%80%aeb",
        "/a%f0%80%80%aeb",
        "/a%",
        "/a%2",
        "/a%zz",
        "/" + "a" * 40000,
    ],
)
def test_an_ambiguous_path_fits_nothing(path: str) -> None:
    """What is behind the proxy may resolve it to another one."""
    assert not is_allowed(HttpRequest("GET", "", path), (compile_rule(None, None, None),))


def test_all_parts_of_a_rule_must_fit() -> None:
    """Host, method and path; one that is left out fits all."""
    rule = compile_rule(["Orders.example.com"], ["GET"], ["/orders"])
    assert rule.allows(HttpRequest("GET", "orders.example.com", "/orders"))
    assert not rule.allows(HttpRequest("GET", "other.example.com", "/orders"))
    assert not rule.allows(HttpRequest("get", "orders.example.com", "/orders"))
    assert not rule.allows(HttpRequest("GET", "orders.example.com", "/"))
    assert not is_allowed(HttpRequest("GET", "", "/"), ())


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0", "::ffff:10.0.0.0/104", "fe80::%eth0/64", "x", ""])
def test_an_invalid_network_is_rejected(text: str) -> None:
    """As strictly as the schema."""
    with pytest.raises(ValueError, match="must be a network"):
        parse_network(text)


def test_addresses_are_read_and_others_are_none() -> None:
    """A mapped address is the IPv4 address that it maps."""
    assert parse_address("::ffff:192.0.2.1") == parse_address("192.0.2.1")
    assert parse_address("2001:db8::1") is not None
    for text in ("", "192.0.2", "localhost", "1" * 100):
        assert parse_address(text) is None


def test_a_very_long_list_of_proxies_is_not_followed_to_its_end() -> None:
    """It is an attempt to use up CPU."""
    trusted = (parse_network("10.0.0.0/8"),)
    hops = ",".join(["192.0.2.1", *["10.0.0.1"] * 100])
    assert find_client(Origin(parse_address("10.0.0.1"), hops), trusted) is None
