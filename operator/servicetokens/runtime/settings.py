"""Settings of the processes, checked as a whole before anything starts. The command line fills them in."""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
)

from servicetokens.runtime.flags import Flag

# The same text as in tokens/format.py, which runtime must not import: `svt`, and its alternatives.
_PREFIX: Final = re.compile(r"[a-z][a-z0-9]{1,9}")
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# A DNS name of at most 253 characters, optionally with a wildcard as its first label.
_HOST_NAME: Final = re.compile(
    r"(?=.{1,253}$)(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*"
)
_MAX_PORT: Final = 65535
_SHORT_DURATION: Final = re.compile(r"([1-9][0-9]{0,4})([smh])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
# With less, a busy API server would look disconnected; with more, a revoked token would be accepted for too long
# without it.
_LEAST_STALENESS: Final = 5
MOST_STALENESS: Final = 3600

M = TypeVar("M", bound=BaseModel)


class InvalidSettings(ValueError):
    """A setting is wrong. The message names the flag and the allowed values."""


class Address(NamedTuple):
    """The address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Parse `host:port`; the host is an IP address (IPv6 in brackets), `localhost`, or nothing for all addresses.

    Raises:
        ValueError: it is something else. The message is a sentence for people.
    """
    host, separator, port = text.rpartition(":")
    if separator and not host:
        host = "[::]"
    if not separator or not (port.isascii() and port.isdigit()) or not 0 <= int(port[:6]) <= _MAX_PORT:
        message = f"'{text}' must be an address and a port, like 0.0.0.0:8080, [::]:8080 or :8080"
        raise ValueError(message)
    bare = host.removeprefix("[").removesuffix("]")
    if bare != "localhost":
        try:
            address = ip_address(bare)
        except ValueError:
            message = f"'{text}' must begin with an IP address, like 0.0.0.0 or 127.0.0.1, or with localhost"
            raise ValueError(message) from None
        if isinstance(address, IPv6Address) is not host.startswith("["):
            message = f"'{text}' must have brackets around an IPv6 address, and around nothing else"
            raise ValueError(message)
    return Address(bare, int(port))


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        message = f"'{text}' must be two to ten lowercase letters and digits, the first a letter, as in 'svt'"
        raise ValueError(message)
    return text


def _namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        message = f"'{text}' must be the name of a namespace: lowercase letters, digits and '-', at most 63 characters"
        raise ValueError(message)
    return text


ListenAddress = Annotated[
    Address, BeforeValidator(lambda value: parse_address(value) if isinstance(value, str) else value)
]
Prefix = Annotated[str, AfterValidator(_prefix)]
Namespace = Annotated[str, AfterValidator(_namespace)]


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        message = f"'{text}' must be a network without bits beyond its mask, like 10.0.0.0/8, or an address"
        raise ValueError(message) from None


def _staleness(value: object) -> object:
    """Parse a duration such as `60s`; numbers are seconds."""
    if not isinstance(value, str):
        return value
    match = _SHORT_DURATION.fullmatch(value)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not _LEAST_STALENESS <= seconds <= MOST_STALENESS:
        message = f"'{value}' must be a duration from {_LEAST_STALENESS}s to 1h, like 60s"
        raise ValueError(message)
    return seconds


def _host_name(text: str) -> str:
    # A name whose last label is a number is an IP address, or invalid.
    if not _HOST_NAME.fullmatch(text) or text.rpartition(".")[2].isdigit():
        try:
            ip_address(text)
        except ValueError:
            message = f"'{text}' must be a DNS name in lowercase, or an IP address"
            raise ValueError(message) from None
    return text


def _age(value: object) -> object:
    """Parse a duration such as `60s`, or `0s` for none; numbers are seconds."""
    if not isinstance(value, str):
        return value
    match = _SHORT_DURATION.fullmatch(value)
    if match is None and value != "0s":
        message = f"'{value}' must be a duration like 60s or 5m, or 0s for no limit"
        raise ValueError(message)
    return int(match[1]) * _UNITS[match[2]] if match else 0


def _percent(value: object) -> object:
    """Parse a whole percentage without its sign."""
    if not isinstance(value, str):
        return value
    if not (value.isascii() and value.isdigit() and len(value) <= len("100") and 1 <= int(value) <= 100):  # noqa: PLR2004 - percent
        message = f"'{value}' must be a percentage from 1 to 100, like 25"
        raise ValueError(message)
    return int(value)


HostName = Annotated[str, AfterValidator(_host_name)]
NetworkText = Annotated[str, AfterValidator(_network)]
Staleness = Annotated[int, BeforeValidator(_staleness)]
Age = Annotated[int, BeforeValidator(_age)]
Percent = Annotated[int, BeforeValidator(_percent)]


class CommonSettings(BaseModel):
    """Settings of both operator and validator. Every field is the flag of that name; see `runtime.flags`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kubeconfig: Annotated[
        str | None,
        Flag("FILE", "Path to a kubeconfig. Defaults to $KUBECONFIG, then the pod's service account."),
    ] = None
    namespace: Annotated[
        Namespace, Flag("NS", "Namespace of the operator: its keys, certificates and Leases.")
    ] = "servicetokens"
    watch_namespace: Annotated[
        tuple[Namespace, ...], Flag("NS", "Namespace to serve; repeatable. Defaults to all namespaces.")
    ] = ()
    token_prefix: Annotated[Prefix, Flag("WORD", "Prefix of every token.")] = "svt"
    health_address: Annotated[
        ListenAddress, Flag("HOST:PORT", "Address of /livez, /readyz and /metrics.")
    ] = Address("0.0.0.0", 9090)  # noqa: S104 - the kubelet and Prometheus ask from outside
    log_format: Annotated[Literal["json", "text"], Flag("json|text", "Log format.")] = "json"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Flag("LEVEL", "Log level: debug, info, warning or error."),
    ] = "info"


def build(model: Callable[..., M], flags: Mapping[str, Any]) -> M:
    """Return the settings given by *flags*.

    Raises:
        InvalidSettings: the first flag that is wrong, as users write it.
    """
    try:
        return model(**flags)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        # Errors about several flags name them in their message.
        name = f"--{first['loc'][0]}: ".replace("_", "-") if first["loc"] else ""
        message = name + first["msg"].removeprefix("Value error, ")
        raise InvalidSettings(message) from None
