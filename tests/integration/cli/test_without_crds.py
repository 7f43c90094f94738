"""Every command on a cluster in which nothing of ours is installed: one sentence says so, and what to do."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.drivers.plugin import PROGRAMS, STRANGER, Plugin
from controlplane.cluster import Cluster, Options

SENTENCE = (
    "this API server does not know servicetokens.dev: install the CRDs "
    "(`servicetokens crds | kubectl apply --server-side -f -`), or choose another cluster"
)


@pytest.fixture(scope="module")
def plugin(binaries: Path) -> Iterator[Plugin]:
    """The plugin on such a cluster."""
    with Cluster(Options(), binaries=binaries) as cluster:
        yield Plugin(cluster, binaries, "default")


@pytest.mark.parametrize(
    "words",
    [
        *("get", "get x", "get accounts", "get tokens,accounts x", "get -A -o json", "describe x"),
        *("tree", "tree -A", "create account ci --role a", "create token t --account ci --expires 30d"),
        *("revoke x -y", "revoke --account ci -y", "revoke --id 0123456789AB -y", "revoke - -y"),
        *("restore x", "rotate x", "rotate x --no-overlap -y", "verify", "leaked", "report"),
        "report -A --format csv",
    ],
)
def test_every_command_that_needs_the_crds_says_that_they_are_missing(plugin: Plugin, words: str) -> None:
    """The exit code is that of an object that does not exist."""
    everywhere = "-A" in words.split()
    arguments = ("servicetoken", *words.split(), *(() if everywhere else ("-n", "default")))
    done = plugin.run(*arguments, stdin=STRANGER)
    assert (done.code, done.err) == (1, f"error: {SENTENCE}\n")


@pytest.mark.parametrize(
    "words", ["report", "smoke-test --namespace default --ask http://127.0.0.1:9/validate"]
)
def test_the_programs_say_so_as_well(plugin: Plugin, words: str) -> None:
    """Those that are run in the cluster."""
    done = plugin.run(*words.split(), program=PROGRAMS / "servicetokens")
    assert (done.code, done.err) == (1, f"servicetokens {words.split(maxsplit=1)[0]}: {SENTENCE}\n")


def test_what_needs_no_crds_works(plugin: Plugin) -> None:
    """Who one is, the versions, and `doctor`, which names what is missing once for each check."""
    assert "servicetokens-tests" in plugin.ok("whoami")
    assert "Installed CRDs    none" in plugin.ok("version")
    known = json.loads(plugin.ok("version", "-o", "json"))
    assert known["installedSchemaRevision"] is None
    assert known["installedSchemaProblem"] == "none"
    done = plugin("doctor", "-o", "json")
    assert done.code == 3
    found = {one["topic"]: (one["level"], one["message"]) for one in json.loads(done.out)}
    assert found["CRDs"][0] == "bad"
    assert found["tokens"] == found["orphans"] == found["GitOps"] == ("unknown", f"skipped: {SENTENCE}")
    assert "404" not in done.out
