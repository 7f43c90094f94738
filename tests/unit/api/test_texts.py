"""Networks, audiences and keys: as strict as the API server, and stricter than Python's standard library."""

import pytest

from servicetokens.api.texts import (
    are_label_keys,
    are_not_among,
    are_outside,
    are_secret_data_keys,
    has_known_placeholders,
    has_no_dot_segments,
    has_no_template_syntax,
    is_audience,
    is_free_name,
    is_network,
    lacks_key,
)


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.0/8",
        "0.0.0.0/0",
        "192.0.2.7/32",
        "2001:db8::/32",
        "2001:DB8::/32",
        "::/0",
        "::1/128",
        "64:ff9b::192.0.2.0/120",
        "1:2:3:4:5:6:7::/112",
    ],
)
def test_network(text: str) -> None:
    """A network has its mask and nothing set beyond it."""
    assert is_network(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/8",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.1/8",
        "10.0.0.0/08",
        "10.0.0.0/+8",
        "10.0.0.0/8\n",
        " 10.0.0.0/8",
        "10.0.0.0 /8",
        "10.0.0.0/33",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/0.255.255.255",
        "010.0.0.0/8",
        "10.0.0/8",
        "10.0.0.0/8/8",
        "\u0661\u0660.0.0.0/8",
        "10.0.0.0/\u0668",
        "167772160/8",
        "0x0a000000/8",
        "::ffff:10.0.0.0/104",
        "::ffff:0:0/96",
        "fe80::%eth0/64",
        "2001:db8::1/32",
        "2001:db8::/129",
        "2001:db8:::/32",
        "example.com/8",
    ],
)
def test_no_network(text: str) -> None:
    """What `ipaddress` takes in addition is rejected: bare addresses, netmasks, zones, mapped IPv4."""
    assert not is_network(text)


@pytest.mark.parametrize(
    "text",
    [
        "orders",
        "urn:example:orders",
        "a://b",
        "https://orders.example.com",
        "https://orders.example.com:8443/v1/x?y=z#w",
        "https://orders.example.com?y",
        "https://[2001:db8::1]:443/",
        "https://user:pass@orders.example.com",
        "spiffe://example.com/ns/a",
        "https://example.com/%7E",
        "https://example.com:",
    ],
)
def test_audience(text: str) -> None:
    """An audience is any word, or a URL with a host."""
    assert is_audience(text)


@pytest.mark.parametrize(
    "text",
    [
        "://",
        "https://",
        "https:///path",
        "https://?query",
        "https://#fragment",
        "https://example.com#fragment",
        "https://:443",
        "https://user@",
        "https://example.com:port",
        "https://example.com/%",
        "https://example.com/%zz",
        "https://example.com/#%zz",
        "https://[2001:db8::1",
        "https://exa<mple.com",
        "1https://example.com",
        "//example.com/https://",
        "https://example.com\n",
    ],
)
def test_no_audience(text: str) -> None:
    """What looks like a URL has to be one."""
    assert not is_audience(text)


@pytest.mark.parametrize("key", ["team", "a.b-c_d", "example.com/team", "a" * 63, "a" * 253 + "/b", "9"])
def test_label_key(key: str) -> None:
    """A key of labels is a name, with or without a domain before it."""
    assert are_label_keys([key, "other"])


@pytest.mark.parametrize(
    "key",
    ["", "-a", "a-", "a b", "a/b/c", "/a", "a/", "a" * 64, "a" * 254 + "/b", "Example.com/a", "a\n", "é"],
)
def test_no_label_key(key: str) -> None:
    """What the API server would reject on the Secret is rejected on the template."""
    assert not are_label_keys(["other", key])


@pytest.mark.parametrize(
    ("key", "possible"),
    [
        (".npmrc", True),
        ("a" * 253, True),
        ("-", True),
        ("...", False),
        ("..a", False),
        (".", False),
        ("", False),
        ("a" * 254, False),
        ("a/b", False),
        ("a\n", False),
        ("é", False),
    ],
)
def test_secret_data_keys(key: str, *, possible: bool) -> None:
    """A key of a Secret becomes a file name, so it has no slash and does not climb."""
    assert are_secret_data_keys([key]) is possible


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("", True),
        ("Bearer {token}", True),
        ("{id}{account}{namespace}{expires}", True),
        ('{"auths": {"a": "{token}"}}', True),
        ("{ token } {} {1} {token_id}", True),
        ("{tokn}", False),
        ("{TOKEN}", False),
        ("{{token}{x}}", False),
        ("{basic}", True),
        (r"\{host} $\{user.home} \{\{ .x }}", True),
        (r"\\{host}", True),
        (r"\{host} {host}", False),
        (r"\ {host}", False),
    ],
)
def test_placeholders(text: str, *, known: bool) -> None:
    """A word in braces is a placeholder, and has to be one of ours."""
    assert has_known_placeholders(text) is known


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("Bearer {token}", True),
        ("$5", True),
        ("{{ .token }}", False),
        ("${token}", False),
        (r"$\{token} \{\{ .x }} \{{token}}", True),
        (r"\{{{", False),
        ("\n{{", False),
    ],
)
def test_template_syntax(text: str, *, free: bool) -> None:
    """Other template languages are noticed, and not passed through."""
    assert has_no_template_syntax(text) is free


@pytest.mark.parametrize(
    ("path", "plain"), [("/a/...", True), ("/..a", True), ("/a/../b", False), ("/.", False)]
)
def test_dot_segments(path: str, *, plain: bool) -> None:
    """Only a whole segment of one or two dots is one that proxies resolve."""
    assert has_no_dot_segments(path) is plain


def test_reserved_keys() -> None:
    """A prefix is reserved for what begins with it, and not for what holds it somewhere."""
    assert are_outside(["kubernetes.io", "mykubernetes.io/name", "a/kubernetes.io"], ("kubernetes.io",))
    assert not are_outside(["a", "kubernetes.io/name"], ("k8s.io", "kubernetes.io"))
    assert not are_outside(["applyset.kubernetes.io/part-of"], ("k8s.io", "kubernetes.io"))
    assert are_not_among(["owners", "colm.owner"], ("owner",), ("olm.",))
    assert not are_not_among(["a", "owner"], ("owner",))
    assert not are_not_among(["olm.owner"], ("owner",), ("olm.",))
    assert is_free_name("my.sh.helm.release.v1", ("sh.helm.release.",))
    assert not is_free_name("sh.helm.release.v1.app.v2", ("sh.helm.release.",))
    assert lacks_key({"a": 1}, "token")
    assert not lacks_key({"token": 1}, "token")
