"""Which proxy a connection takes: the rules of Go's `net/http`, which kubectl follows."""

import pytest
from yarl import URL

from servicetokens.kube.proxying import find_proxy

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("server", "no_proxy", "is_direct"),
    [
        ("https://api.example.com", "", False),
        ("https://localhost:6443", "", True),
        ("https://127.0.0.9:6443", "", True),
        ("https://[::1]:6443", "", True),
        ("https://api.example.com", "example.com", True),
        ("https://api.example.com", "EXAMPLE.com ", True),
        ("https://example.com", ".example.com", False),
        ("https://api.example.com", ".example.com", True),
        ("https://api.example.com", "*.example.com", True),
        ("https://notexample.com", "example.com", False),
        ("https://api.example.com", "other, api.example.com:443", True),
        ("https://api.example.com:6443", "api.example.com:443", False),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://10.1.2.3", "10.1.2.3", True),
        ("https://10.1.2.3", "10.1.2.3:443", True),
        ("https://10.1.2.3", "1.2.3", False),
        ("https://11.1.2.3", "10.0.0.0/8,bad/x", False),
        ("https://[fd00::1]", "fd00::/8", True),
        ("https://[fd00::1]", "[fd00::1]:443", True),
        ("https://api.example.com", "*", True),
    ],
)
def test_no_proxy(server: str, no_proxy: str, is_direct: bool) -> None:
    """Names, names below them, addresses, networks, ports; this machine is always direct."""
    found = find_proxy(URL(server), "", {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy})
    assert found == (None if is_direct else URL(PROXY))


def test_the_file_wins_and_the_scheme_decides() -> None:
    """`proxy-url` is used whatever `NO_PROXY` says; `HTTP_PROXY` is for plain HTTP only; an address needs no scheme."""
    environment = {"HTTPS_PROXY": "a:1", "http_proxy": "b:2", "NO_PROXY": "*"}
    assert find_proxy(URL("https://x"), "http://c:3", environment) == URL("http://c:3")
    del environment["NO_PROXY"]
    assert find_proxy(URL("https://x"), "", environment) == URL("http://a:1")
    assert find_proxy(URL("http://x"), "", environment) == URL("http://b:2")
    assert find_proxy(URL("http://x"), "", {"ALL_PROXY": "a:1"}) is None
    for odd in ("http://", "socks5://x", "http://x:y", "gopher://x"):
        with pytest.raises(ValueError, match="proxy-url"):
            find_proxy(URL("https://x"), odd, {})
