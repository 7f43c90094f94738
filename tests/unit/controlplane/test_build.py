"""Where the binaries come from: a given directory, the cache, or a build, here by a stand-in for Go."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane import build
from controlplane.build import BuildFailed, ControlPlaneMissing
from controlplane.waiting import wait_until

SCRIPT = Path(build.__file__)
# Does what `go build -o FILE` does for us, and writes down that it was called. Shell built-ins only: the path
# is empty.
FAKE_GO = """#!/bin/sh
if [ "$1" = version ]; then echo "go version go{version} linux/amd64"; exit 0; fi
echo "$GOTOOLCHAIN $CGO_ENABLED $GOWORK $*" >> "{calls}"
echo internal/cpu; echo "go: downloading example.test/module v1.0.0"
{then}
while [ "$1" != -o ]; do shift; done
echo '#!/bin/sh' > "$2"; /bin/chmod +x "$2"
"""


class FakeGo:
    """A `go` on the path that takes no time, and the calls that it got."""

    def __init__(self, directory: Path, *, version: str = "1.26.8", then: str = "") -> None:
        self.calls = directory / "calls"
        self.calls.touch()
        program = directory / "bin" / "go"
        program.parent.mkdir(exist_ok=True)
        program.write_text(FAKE_GO.format(version=version, calls=self.calls, then=then))
        program.chmod(0o755)
        self.path = str(program.parent)

    @property
    def built(self) -> list[str]:
        """The names of the files that it was requested, in order."""
        return [Path(name).name for name in re.findall(r" -o (\S+)", self.calls.read_text())]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No given binaries, nothing in the cache, no Go."""
    monkeypatch.delenv(build.ASSETS, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "cache"


def fill(directory: Path, *names: str) -> Path:
    """A directory with executables of these names."""
    directory.mkdir(parents=True)
    for name in names:
        (directory / name).touch(0o755)
    return directory


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program as the Makefile calls it."""
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)


def test_what_is_built_is_what_go_mod_declares() -> None:
    """The packages are the `tool` directives of go.mod, and the versions are found in it."""
    text = (build.MODULE / "go.mod").read_text()
    tools = re.search(r"^tool \((.*?)^\)", text, re.MULTILINE | re.DOTALL)
    assert tools is not None
    assert sorted(tools[1].split()) == sorted(build.PACKAGES.values())
    versions = build.Versions.read()
    assert re.fullmatch(r"v1\.\d+\.\d+", versions.kubernetes)
    assert re.fullmatch(r"v3\.\d+\.\d+", versions.etcd)
    assert re.fullmatch(r"1\.\d+\.\d+", versions.go)


def test_every_staging_module_has_the_version_of_kubernetes() -> None:
    """go.mod replaces the modules that Kubernetes is made of by those of its own release, all of the same."""
    text = (build.MODULE / "go.mod").read_text()
    replaced = set(re.findall(r"^\tk8s\.io/\S+ => k8s\.io/\S+ (\S+)$", text, re.MULTILINE))
    assert replaced == {build.Versions.read().kubernetes.replace("v1.", "v0.")}


def test_given_binaries_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBEBUILDER_ASSETS wins over the cache, and nothing is built."""
    fill(build.cache_directory(), *build.PACKAGES)
    given = fill(tmp_path / "given", *build.PACKAGES, "more")
    monkeypatch.setenv(build.ASSETS, str(given))
    assert build.find() == given
    assert build.ensure() == given
    assert run("--path").stdout == f"{given}\n"


def test_given_but_incomplete_binaries_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names the variable, the directory and what is missing; nothing is built instead."""
    given = fill(tmp_path / "given", "etcd", "kubectl")
    monkeypatch.setenv(build.ASSETS, str(given))
    for done in (run(), run("--path")):
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr == (
            f"$KUBEBUILDER_ASSETS is {given}, which lacks kube-apiserver, kube-controller-manager:"
            " add them, or unset it to build them\n"
        )


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBEBUILDER_ASSETS set to nothing counts as not set."""
    monkeypatch.setenv(build.ASSETS, "")
    cached = fill(build.cache_directory(), *build.PACKAGES)
    assert build.find() == cached


def test_asking_for_the_path_builds_nothing() -> None:
    """With nothing built, --path says in one line what to do, and fails."""
    done = run("--path")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "the control plane is not built yet: run `make control-plane`\n"


def test_a_build_makes_everything_once(tmp_path: Path, empty_cache: Path) -> None:
    """All four are built with the declared flags and their directory is printed; the second time is idle."""
    go = FakeGo(tmp_path)
    first, second = run(), run()
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout == f"{build.cache_directory()}\n"
    assert second.stderr == ""
    assert go.built == list(build.PACKAGES)
    calls = go.calls.read_text().splitlines()
    version = build.Versions.read().kubernetes
    assert all(call.startswith("auto 0 off build -v -trimpath -ldflags -s -w ") for call in calls)
    assert all(f"-X k8s.io/component-base/version.gitVersion={version} " in call for call in calls)
    assert [path.name for path in build.cache_directory().parent.iterdir() if path.is_dir()] == [
        build.cache_directory().name
    ]
    assert empty_cache in build.cache_directory().parents
    assert run("--path").stdout == first.stdout


def test_a_cache_that_lost_something_is_built_again(tmp_path: Path) -> None:
    """A binary that a user removed comes back, and nothing of the old directory stays."""
    FakeGo(tmp_path)
    fill(build.cache_directory(), "etcd", "kubectl", "stray")
    assert run("--path").returncode == 1
    assert sorted(path.name for path in build.ensure().iterdir()) == sorted(build.PACKAGES)


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, empty_cache: Path) -> None:
    """The error names the directory and the reason."""
    FakeGo(tmp_path)
    empty_cache.write_text("not a directory")
    done = run()
    assert done.returncode == 1
    assert re.fullmatch(
        rf"cannot build the control plane in {empty_cache}/\S+: .*Not a directory.*\n", done.stderr
    )


def test_another_go_mod_is_another_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is keyed by the versions and by go.mod as a whole."""
    before = build.cache_directory()
    (tmp_path / "go.mod").write_text(f"{(build.MODULE / 'go.mod').read_text()}\n// changed\n")
    monkeypatch.setattr(build, "MODULE", tmp_path)
    assert build.cache_directory() != before
    assert build.Versions.read().kubernetes in build.cache_directory().name


def test_a_missing_go_is_one_line() -> None:
    """Without Go the error says what to install."""
    done = run()
    assert done.returncode == 1
    assert done.stderr == (
        "building the control plane needs Go, and there is no `go` on the path:"
        " install Go 1.26 or later (https://go.dev/dl),"
        " or set $KUBEBUILDER_ASSETS to where the binaries are\n"
    )


@pytest.mark.parametrize("version", ["1.25.9", "1.9", "0.1"])
def test_an_old_go_is_one_line(tmp_path: Path, version: str) -> None:
    """A Go that is too old is named, with what to install; versions are compared as numbers."""
    go = FakeGo(tmp_path, version=version)
    with pytest.raises(ControlPlaneMissing, match=rf"^.*go{version}.*: install Go 1\.26 or later \(.*$"):
        build.ensure()
    assert go.built == []


@pytest.mark.parametrize("version", ["1.26.0", "1.27rc1", "2.0"])
def test_a_new_go_will_do(tmp_path: Path, version: str) -> None:
    """The version that go.mod asks for and everything later is accepted."""
    FakeGo(tmp_path, version=version)
    assert build.ensure() == build.cache_directory()


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    """What go said is in the error, and the next build starts again."""
    FakeGo(tmp_path, then='case "$*" in *etcd/server*) echo "no space left on device"; exit 1;; esac')
    with pytest.raises(BuildFailed, match=r"^go could not build etcd:\n(.*\n)*no space left on device$"):
        build.ensure()
    assert not build.cache_directory().exists()
    FakeGo(tmp_path)
    assert build.ensure() == build.cache_directory()


def test_two_builds_do_not_race(tmp_path: Path) -> None:
    """Of two builds at the same time one waits for the other, says so, and builds nothing itself."""
    go = FakeGo(tmp_path, then=f'while [ ! -e "{tmp_path}/go-on" ]; do /bin/sleep 0.01; done')
    builds = [
        subprocess.Popen([sys.executable, SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    wait_until(lambda: go.built, what="a build to begin")
    (tmp_path / "go-on").touch()
    outputs = [process.communicate(timeout=30) for process in builds]
    assert [process.returncode for process in builds] == [0, 0]
    assert {stdout for stdout, _ in outputs} == {f"{build.cache_directory()}\n"}
    assert go.built == list(build.PACKAGES)


def test_the_leftovers_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    """The leftovers of a killed build are never taken for a whole one, and the next build removes them."""
    go = FakeGo(tmp_path, then=f'while [ ! -e "{tmp_path}/go-on" ]; do /bin/sleep 0.01; done')
    killed = subprocess.Popen([sys.executable, SCRIPT], stderr=subprocess.DEVNULL)
    wait_until(lambda: go.built, what="a build to begin")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (tmp_path / "go-on").touch()
    cache = build.cache_directory().parent
    assert [path for path in cache.iterdir() if path.is_dir()]
    with pytest.raises(ControlPlaneMissing):
        build.find()
    build.ensure()
    assert [path for path in cache.iterdir() if path.is_dir()] == [build.cache_directory()]


def test_the_script_needs_nothing_but_python(tmp_path: Path) -> None:
    """It runs without site-packages, before there is a virtual environment."""
    done = subprocess.run(
        [sys.executable, "-S", "-E", SCRIPT, "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert "--path" in done.stdout
    assert "PYTHONPATH" not in os.environ
