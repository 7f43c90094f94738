"""The real API server, for every test that asks for it by the name of a fixture; nothing starts earlier.

And how tests share the cores (`common.parallel`).
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from common.parallel import WRITE_DURATIONS, Durations, Folder, Scheduling, together
from common.skipping import loop_factories
from controlplane import build
from controlplane.cluster import Cluster, Options
from controlplane.crds import install_crds
from controlplane.kubectl import Kubectl
from controlplane.waiting import PATIENCE, measure_patience, patience

# Needs root, and minutes: `make e2e` asks for it by name.
collect_ignore = [] if os.environ.get("SERVICETOKENS_E2E") else ["e2e"]
# How long an example takes, or to make one up, says something about the machine only.
# The same examples each time: no change is blamed for what chance found. HYPOTHESIS_PROFILE=deep draws others.
settings.register_profile(
    "servicetokens",
    derandomize=os.environ.get("HYPOTHESIS_PROFILE") != "deep",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("servicetokens")
CRDS = Path(__file__).parent.parent / "crds"


def pytest_configure(config: pytest.Config) -> None:
    """Measure how slow this machine is, once; the workers and all that tests start inherit what is found."""
    if PATIENCE not in os.environ:
        is_shared = bool(config.getoption("numprocesses", 0))
        os.environ[PATIENCE] = f"{measure_patience(is_shared=is_shared):.1f}"
    if WRITE_DURATIONS in os.environ and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations())


def pytest_report_header() -> str:
    """Say how patient this run is."""
    return f"waits last up to {patience():g} times what the tests say ({PATIENCE})"


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Let fixtures of scope "package" end with the folder whose `conftest.py` has them."""
    is_ours = (path / "conftest.py").exists() and not (path / "__init__.py").exists()
    return Folder.from_parent(parent, path=path) if is_ours else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a folder together in whatever order, and end what hangs after a generous time."""
    together(items)
    if config.getoption("timeout"):
        return
    for item in items:
        mark = item.get_closest_marker("timeout")
        seconds = float(mark.args[0] if mark else config.getini("timeout"))
        others = dict(mark.kwargs) if mark else {}
        item.add_marker(pytest.mark.timeout(seconds * patience(), **others), append=False)


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Any]:
    """Give tests that are marked so a loop that skips waiting; `skips_time(False)` excepts one of a file."""
    mark = item.get_closest_marker("skips_time")
    return loop_factories(skips=mark is not None and mark.args != (False,))


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """Give each worker file after file of one folder."""
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def binaries(pytestconfig: pytest.Config) -> Path:
    """The directory of the control plane's binaries, which are built now if they do not exist yet."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    # The first build takes minutes: its progress must be seen.
    with capture.global_and_fixture_disabled():
        return build.ensure()


@pytest.fixture(scope="session")
def cluster(binaries: Path) -> Iterator[Cluster]:
    """The session's control plane, audit log on. A test that restarts or reconfigures one starts its own."""
    with Cluster(Options(audit=True), binaries=binaries) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def installed(cluster: Cluster) -> Cluster:
    """The session's cluster with our CRDs."""
    install_crds(cluster, CRDS)
    return cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A new namespace. Its deletion is begun, not awaited: no later test meets its objects or waits."""
    name = cluster.create_namespace()
    yield name
    cluster.client().request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    """`kubectl("get", "pods")` as the administrator of the session's cluster."""
    return cluster.kubectl
