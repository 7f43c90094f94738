"""The demo takes the Kubernetes binaries that a user has, in a fixed order, and none that is too old."""

from pathlib import Path

import pytest

from controlplane import build
from demo import binaries

NEEDED = binaries.NEEDED


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is built, and nothing is given."""
    monkeypatch.delenv(build.ASSETS, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def fill(directory: Path, *names: str, version: str = "v1.37.2") -> Path:
    """Make a directory with these programs, each of which says that it is *version*."""
    directory.mkdir(parents=True)
    for name in names:
        (directory / name).write_text(f"#!/bin/sh\necho Kubernetes {version}\n")
        (directory / name).chmod(0o755)
    return directory


def test_given_binaries_win(tmp_path: Path) -> None:
    """`$KUBEBUILDER_ASSETS` is taken, also without controllers, as setup-envtest fills it."""
    given = fill(tmp_path / "given", *NEEDED)
    fill(build.cache_directory(), *build.PACKAGES)
    found = binaries.find({build.ASSETS: str(given)}, tmp_path)
    assert found == binaries.Binaries(given, "from $KUBEBUILDER_ASSETS", has_controllers=False)


def test_given_binaries_that_will_not_do_are_named(tmp_path: Path) -> None:
    """What is missing, or that they are too old; nothing else is taken silently."""
    fill(build.cache_directory(), *build.PACKAGES)
    some = fill(tmp_path / "some", "etcd")
    with pytest.raises(build.ControlPlaneMissing, match="lacks kube-apiserver, kubectl"):
        binaries.find({build.ASSETS: str(some)}, tmp_path)
    old = fill(tmp_path / "old", *NEEDED, version="v1.33.9")
    with pytest.raises(build.ControlPlaneMissing, match=r"older than 1\.34"):
        binaries.find({build.ASSETS: str(old)}, tmp_path)


def test_what_was_built_before_is_taken_before_others(tmp_path: Path) -> None:
    """Its versions are those that the tests run."""
    built = fill(build.cache_directory(), *build.PACKAGES)
    on_path = fill(tmp_path / "bin", *NEEDED)
    found = binaries.find({"PATH": str(on_path)}, tmp_path)
    assert found == binaries.Binaries(built, "built by this project", has_controllers=True)


@pytest.mark.parametrize("variable", [True, False])
def test_the_newest_of_setup_envtest_is_taken(tmp_path: Path, *, variable: bool) -> None:
    """By number, not by letter; from `$XDG_DATA_HOME` or `~/.local/share`; those that are too old are left."""
    data = tmp_path / ("data" if variable else ".local/share")
    kept = data / "kubebuilder-envtest" / "k8s"
    fill(kept / "1.9.1-linux-amd64", *NEEDED, version="v1.9.1")
    fill(kept / "1.36.0-linux-amd64", *NEEDED, version="v1.36.0")
    newest = fill(kept / "1.100.0-linux-amd64", *NEEDED, version="v1.100.0")
    fill(kept / "1.101.0-linux-amd64", "etcd", version="v1.101.0")
    found = binaries.find({"XDG_DATA_HOME": str(data)} if variable else {}, tmp_path)
    assert found == binaries.Binaries(newest, "from setup-envtest", has_controllers=False)


def test_the_path_comes_last(tmp_path: Path) -> None:
    """A kube-apiserver on the path is taken with what is next to it, if that is new enough."""
    on_path = fill(tmp_path / "bin", *NEEDED, binaries.CONTROLLERS)
    found = binaries.find({"PATH": str(on_path)}, tmp_path)
    assert found == binaries.Binaries(on_path, "from your PATH", has_controllers=True)
    old = fill(tmp_path / "old", *NEEDED, version="v1.33.0")
    assert binaries.find({"PATH": str(old)}, tmp_path) is None


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    """Then it is built."""
    assert binaries.find({"PATH": str(tmp_path)}, tmp_path) is None
