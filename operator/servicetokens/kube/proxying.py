"""Which proxy a connection to the API server goes through: `proxy-url`, else the environment, as kubectl decides.

`HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (also in lower case) mean what they mean to Go's `net/http`: addresses of
this machine are never proxied, `NO_PROXY` holds host names with all names below them, addresses and networks, each with
or without a port, or `*`.
"""

import ipaddress
from collections.abc import Mapping
from typing import Final

from yarl import URL

_SCHEMES: Final = ("http", "https")
_SOCKS: Final = ("socks5", "socks5h")


def find_proxy(server: URL, proxy_url: str, environment: Mapping[str, str]) -> URL | None:
    """Return the proxy for *server*, or None for a direct connection.

    *proxy_url* is that of the kubeconfig, empty for none; it takes precedence over *environment*.

    Raises:
        ValueError: the proxy is not one that we can use; its user and password are not quoted.
    """
    source, text = "proxy-url", proxy_url
    if not text:
        source = f"{server.scheme.upper()}_PROXY"
        text = _variable(environment, source)
        if not text or _is_direct(server, _variable(environment, "NO_PROXY")):
            return None
    # As in Go, an address without a scheme is one of an HTTP proxy.
    proxy = _parsed(text if "://" in text else f"http://{text}", source)
    if proxy.scheme in _SOCKS:
        message = f"{source} names a SOCKS proxy ({shown(proxy)}), which is not supported: use an HTTP proxy"
        raise ValueError(message)
    if proxy.scheme not in _SCHEMES or not proxy.host:
        message = f"{source} must be the URL of an HTTP proxy, as in http://proxy.example.com:3128"
        raise ValueError(message)
    return proxy


def shown(proxy: URL) -> str:
    """Return the address of *proxy* for messages: without user, password and path."""
    return str(proxy.with_user(None).origin())


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.lower()) or ""


def _parsed(text: str, source: str) -> URL:
    try:
        found = URL(text)
        found.port  # noqa: B018 - parsed when it is read
    except ValueError:
        message = f"{source} is not a URL"
        raise ValueError(message) from None
    return found


def _is_direct(server: URL, no_proxy: str) -> bool:
    host, port = (server.host or "").rstrip(".").lower(), server.port
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(
        _fits(entry.strip().lower(), host, port, address) for entry in no_proxy.split(",") if entry.strip()
    )


def _fits(
    entry: str,
    host: str,
    port: int | None,
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None,
) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, wanted = _split_port(entry)
    if wanted is not None and wanted != port:
        return False
    if (listed := _address(name)) is not None:
        return listed == address
    if address is not None:
        return False
    # `example.com` matches itself and all names below it, `.example.com` and `*.example.com` only those.
    if name.startswith("*."):
        name = name[1:]
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, port = entry.partition(":")
    else:
        name, port = entry, ""
    return name, int(port) if port.isascii() and port.isdigit() else None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
