"""Which kubeconfig, and which namespace of it, the plugin works with."""

import asyncio
from pathlib import Path

import pytest
import yaml

from common.builders.kubeconfigs import write
from controlplane.ports import LOOPBACK
from servicetokens.cli.exits import Failure
from servicetokens.cli.session import Place, Session, namespace_of_place, with_session
from servicetokens.kube.access import find_files, find_namespace


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A kubeconfig with two contexts; only one of them names a namespace."""
    contexts = [
        {"name": "a", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}},
        {"name": "b", "context": {"cluster": "c", "user": "u"}},
    ]
    path = tmp_path / "config"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "a",
                "contexts": contexts,
                "clusters": [{"name": "c", "cluster": {"server": "https://x"}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    return str(path)


def test_the_namespace_is_that_of_the_context(config: str) -> None:
    """Unless one is named."""
    assert namespace_of_place(Place(kubeconfig=config)) == "team-a"
    assert namespace_of_place(Place(kubeconfig=config, namespace="x")) == "x"
    assert namespace_of_place(Place(kubeconfig=config, context="b")) == "default"
    assert namespace_of_place(Place(kubeconfig=config, context="nope")) == "default"


def test_an_unreadable_file_has_no_effect(tmp_path: Path) -> None:
    """Connecting with it fails with a sentence."""
    (tmp_path / "odd").write_text("[")
    assert find_namespace(str(tmp_path / "odd")) is None
    assert find_namespace(str(tmp_path / "missing")) is None


def test_the_kubeconfig_is_the_one_that_kubectl_would_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Named, from the environment, or in the home directory; else the pod's own service account."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_files(None, {}, personal=True) == ()
    default = tmp_path / ".kube" / "config"
    default.parent.mkdir()
    default.touch()
    assert find_files(None, {}, personal=True) == (default,)
    assert find_files(None, {}) == ()
    assert find_files(None, {"KUBECONFIG": "/a:/b:/a"}, personal=True) == (Path("/a"), Path("/b"))
    assert find_files("/named", {"KUBECONFIG": "/a"}, personal=True) == (Path("/named"),)


async def test_a_server_that_is_not_an_api_server_is_described(tmp_path: Path) -> None:
    """Such as the page of a proxy or of a router, with a 200; and no traceback."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        page = b"<html>Welcome</html>"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))
        await writer.drain()
        writer.close()

    async def look(session: Session) -> object:
        return await session.cluster.list_ours("servicetokens")

    async with await asyncio.start_server(answer, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        file = write(tmp_path / "config", {"server": f"http://{LOOPBACK}:{port}"})
        with pytest.raises(Failure, match="not as an API server does"):
            await with_session(Place(kubeconfig=str(file)), look)
