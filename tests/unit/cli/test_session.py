"""Which kubeconfig, and which namespace of it, the plugin works with."""

from pathlib import Path

import pytest
import yaml

from servicetokens.cli.session import Place, find_kubeconfig, namespace_of_place
from servicetokens.kube.access import namespace_of


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


def test_a_file_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    """Whoever connects with it is told."""
    (tmp_path / "odd").write_text("[")
    assert namespace_of(str(tmp_path / "odd")) is None
    assert namespace_of(str(tmp_path / "missing")) is None


def test_the_kubeconfig_is_the_one_that_kubectl_would_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Named, from the environment, or in the home directory; else the pod's own."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_kubeconfig(None) is None
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").touch()
    assert find_kubeconfig(None) == str(tmp_path / ".kube" / "config")
    monkeypatch.setenv("KUBECONFIG", "/elsewhere")
    assert find_kubeconfig(None) == "/elsewhere"
    assert find_kubeconfig("/named") == "/named"
