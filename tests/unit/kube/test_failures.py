"""Why a connection failed is reported in words: no number alone, no name of a class."""

import ast
import asyncio
import builtins
import inspect
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from controlplane.ports import LOOPBACK, free_ports
from servicetokens.kube import failures, oneshot
from servicetokens.kube.access import Access, AccessSource
from servicetokens.kube.client import Api
from servicetokens.kube.errors import ApiUnavailable
from servicetokens.kube.oneshot import OneShot

SOURCES = Path(failures.__file__).parents[1]


class Fixed:
    """One server, without credentials."""

    max_age: float | None = None

    def __init__(self, server: str) -> None:
        self.access = Access(URL(server), tls=True)

    async def load(self) -> Access:
        """See `AccessSource`."""
        return self.access


DOORS = pytest.mark.parametrize("door", [Api, oneshot.door], ids=["operator", "plugin"])
Door = Callable[[AccessSource, Access], Api | OneShot]


async def said(server: str, door: Door) -> str:
    """Return what is said of a request that fails."""
    source = Fixed(server)
    async with door(source, await source.load()) as api:
        with pytest.raises(ApiUnavailable) as caught:
            await api.request("GET", "/version")
    return str(caught.value)


@DOORS
async def test_failures_of_connections_are_sentences(door: Door) -> None:
    """An unknown name, a port that nothing listens on, a server without TLS."""
    assert "cannot be resolved: " in await said("https://name.invalid:6443", door)
    assert "cannot be resolved: " in await said(f"https://{'a' * 64}.invalid:6443", door)
    assert "Connection refused" in await said(f"https://{LOOPBACK}:{free_ports(1)[0]}", door)
    assert "Connection refused" in await said(f"https://localhost:{free_ports(1)[0]}", door)

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert "TLS failed: " in await said(f"https://{LOOPBACK}:{port}", door)
        assert "the answer is not HTTP" in await said(f"http://{LOOPBACK}:{port}", door)


@DOORS
async def test_a_server_without_tls_is_named_as_one(door: Door) -> None:
    """An address with https:// of a plain HTTP server is a slip of the keyboard, and no matter of versions."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        told = await said(f"https://{LOOPBACK}:{port}", door)
    assert told.endswith("TLS failed: the server does not speak TLS on this port")


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "the server requires a client certificate"),
        ("TLSV1_ALERT_UNKNOWN_CA", "the server does not trust the client certificate"),
        ("NO_SHARED_CIPHER", "no shared cipher"),
        (None, "no common protocol"),
    ],
)
def test_a_reason_of_openssl_is_reported_in_words(reason: str | None, told: str) -> None:
    """An unknown one is reported as it is."""
    error = ssl.SSLError(1, "x")
    error.reason = reason  # type: ignore[assignment]
    assert failures.in_words(error) == f"TLS failed: {told}"


def test_no_error_is_described_by_its_class_or_its_number() -> None:
    """Of all errors that Python, its ssl module and the HTTP client have."""
    kinds = [
        kind
        for module in (builtins, ssl, socket, aiohttp)
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, Exception)
    ]
    for kind in kinds:
        try:
            error = kind.__new__(kind)
            told = failures.in_words(error)
        except (AttributeError, TypeError):
            continue
        assert kind.__name__ not in told
        assert "Unknown error" not in told
    for number in (-2, -3, 113, 0, None):
        told = failures.in_words(socket.gaierror(number, "Name or service not known"))
        assert "Unknown error" not in told
        assert "Unknown error" not in failures.in_words(OSError(number, "x"))


def test_no_message_is_made_of_the_name_of_a_class() -> None:
    """What goes wrong is reported by `in_words`, or by `repr` where it is an error in our own code."""
    found = [
        f"{file.name}:{node.lineno}"
        for file in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in {"__name__", "__qualname__"}
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "type"
    ]
    # The title of an error of pydantic, which `describe_errors` does not show.
    assert [place for place in found if not place.startswith("meta.py:")] == []


@DOORS
@pytest.mark.parametrize("login", ["ci:s3cret@", "ci@", ":s3cret@"])
async def test_a_password_in_the_address_of_the_server_is_not_quoted(login: str, door: Door) -> None:
    """A kubeconfig may hold one there; the address itself is reported, with its path."""
    (port,) = free_ports(1)
    address = f"https://{login}{LOOPBACK}:{port}/clusters/one"
    sentence = await said(address, door)
    assert f"https://{LOOPBACK}:{port}/clusters/one" in sentence
    assert "s3cret" not in sentence
    assert "@" not in sentence
    source = Fixed(address)
    async with door(source, await source.load()) as api:
        assert api.server == f"https://{LOOPBACK}:{port}/clusters/one"
