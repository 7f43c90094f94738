"""The Python half of the rules on texts: networks, audiences, keys, templates, paths.

Each function returns exactly what the CEL of its `Rule` does, and a test compares the two on the API server.
The standard library is not used where it accepts more than the API server does.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Final

DNS_LABEL: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
# Of the Kubernetes API: an optional DNS subdomain and a slash, then a name of at most 63 characters.
LABEL_KEY: Final = (
    "^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
LABEL_VALUE: Final = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
SECRET_DATA_KEY: Final = "^[-._a-zA-Z0-9]{1,253}$"

# A complete URL with a host, as a pattern instead of CEL's `isURL`, which follows the `net/url` of the Go
# that the API server was built with, and a stored audience must not become unreadable because one of the two
# was upgraded.
_PERCENT: Final = "%[0-9A-Fa-f]{2}"
_USER: Final = f"([A-Za-z0-9._~!$&'()*+,;=:-]|{_PERCENT})*@"
_HOST: Final = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=-]+)(:[0-9]*)?"
_PATH: Final = f"/([^?#%]|{_PERCENT})*"
_QUERY: Final = "[?][^#]*"
_FRAGMENT: Final = f"#([^%]|{_PERCENT})*"
URL: Final = f"^[A-Za-z][A-Za-z0-9+.-]*://({_USER})?{_HOST}(({_PATH})({_QUERY})?({_FRAGMENT})?|{_QUERY}({_FRAGMENT})?)?$"

PLACEHOLDERS: Final = ("{token}", "{basic}", "{id}", "{account}", "{namespace}", "{expires}")
# With the backslash before it, if there is one: then the brace is a literal character.
PLACEHOLDER_SHAPE: Final = r"\\?\{[A-Za-z]+\}"
ESCAPED_BRACE: Final = r"\\\{"
TEMPLATE_SYNTAX: Final = r"(^|[^\\])\{\{|\$\{"

_URL: Final = re.compile(URL)
_LABEL_KEY: Final = re.compile(LABEL_KEY)
_SECRET_DATA_KEY: Final = re.compile(SECRET_DATA_KEY)
_PLACEHOLDER: Final = re.compile(PLACEHOLDER_SHAPE)
_TEMPLATE_SYNTAX: Final = re.compile(TEMPLATE_SYNTAX)
# As in the Kubernetes API, for the part before the slash.
MAX_KEY_PREFIX_LENGTH: Final = 253


def is_network(text: str) -> bool:
    """Whether *text* is a network in CIDR notation with no bit set beyond its mask.

    `ipaddress` alone would also take a bare address, a netmask, `/08`, a zone and an IPv4 address mapped into
    IPv6; the API server takes none of them.
    """
    address, slash, length = text.partition("/")
    if not slash or "%" in address or not re.fullmatch("0|[1-9][0-9]{0,2}", length):
        return False
    try:
        network = ipaddress.ip_network((address, int(length)))
    except ValueError:
        return False
    return not (
        isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None
    )


def is_audience(text: str) -> bool:
    """Whether *text* is a plain word, or a complete URL if it contains characters of one."""
    return "://" not in text or _URL.fullmatch(text) is not None


def are_label_keys(keys: Iterable[str]) -> bool:
    """Whether all *keys* are valid keys of labels or annotations."""
    return all(_is_label_key(key) for key in keys)


def are_outside(keys: Iterable[str], domains: tuple[str, ...]) -> bool:
    """Whether none of *keys* has one of *domains*, or a subdomain of one, before its slash."""
    return not any(key.startswith(f"{domain}/") or f".{domain}/" in key for key in keys for domain in domains)


def are_not_among(keys: Iterable[str], words: tuple[str, ...], beginnings: tuple[str, ...] = ()) -> bool:
    """Whether none of *keys* is one of *words* or starts with one of *beginnings*."""
    return not any(key in words or (beginnings and key.startswith(beginnings)) for key in keys)


def is_free_name(name: str, beginnings: tuple[str, ...]) -> bool:
    """Whether *name* starts with none of *beginnings*."""
    return not name.startswith(beginnings)


def are_secret_data_keys(keys: Iterable[str]) -> bool:
    """Whether all *keys* are valid keys of a Secret's data."""
    return all(_SECRET_DATA_KEY.fullmatch(key) and key != "." and not key.startswith("..") for key in keys)


def has_no_template_syntax(text: str) -> bool:
    """Whether *text* has no syntax of other template languages, which the operator would not fill in."""
    return _TEMPLATE_SYNTAX.search(text) is None


def has_known_placeholders(text: str) -> bool:
    """Whether every word in braces is a known placeholder, or its brace is escaped."""
    return all(found in PLACEHOLDERS or found.startswith("\\") for found in _PLACEHOLDER.findall(text))


def has_no_dot_segments(path: str) -> bool:
    """Whether *path* has no `.` or `..` segment, which proxies resolve and the validator compares literally."""
    return not any(segment in {".", ".."} for segment in path.split("/"))


def lacks_key(mapping: Mapping[str, object], key: str) -> bool:
    """Whether *key* is not in *mapping*."""
    return key not in mapping


def _is_label_key(key: str) -> bool:
    prefix, slash, _ = key.rpartition("/")
    return _LABEL_KEY.fullmatch(key) is not None and (not slash or len(prefix) <= MAX_KEY_PREFIX_LENGTH)
