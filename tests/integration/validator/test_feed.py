"""Faults between the validator and the API server: what was missed is found, and nothing is made up meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.builders.stored import store_keys, store_tokens
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import HOME, VALIDATOR, World
from common.fakes.relay import Relay
from common.repository import ROOT
from controlplane.cluster import Cluster, Options
from controlplane.kubeconfig import write_kubeconfig
from controlplane.ports import LOOPBACK

GROUPS = ("system:serviceaccounts", "system:authenticated")
CUTS = 25


@contextmanager
def behind_a_wire(world: World, log: Path, *flags: str) -> Iterator[tuple[RunningValidator, Relay]]:
    """Run a validator whose connection to the API server can be cut."""
    cluster = world.cluster
    with Relay(int(cluster.url.rpartition(":")[2])) as relay:
        kubeconfig = write_kubeconfig(
            log.with_suffix(".kubeconfig"),
            server=f"https://{LOOPBACK}:{relay.port}",
            certificate_authority=cluster.files.authority.certificate,
            client=cluster.files.authority.client(VALIDATOR, GROUPS, file=f"wire-{log.stem}"),
        )
        with validator(world, log, f"--kubeconfig={kubeconfig}", *flags) as running:
            yield running, relay


def test_a_watch_that_breaks_again_and_again_misses_nothing(world: World, tmp_path: Path) -> None:
    """While tokens are revoked, restored and deleted."""
    tokens = store_tokens(world.client, world.cluster.create_namespace(), CUTS)
    with behind_a_wire(world, tmp_path / "validator.log") as (running, relay):
        world.until(lambda: running.forward(tokens[-1].text).status == 200, "the tokens to be known")
        for number, token in enumerate(tokens):
            relay.cut(for_good=False)
            if number % 3 == 0:
                token.delete()
            else:
                token.change(state="Revoked")
            relay.cut(for_good=False)
            if number % 3 == 1:
                token.change(state="Active")
        expected = [200 if number % 3 == 1 else 401 for number in range(CUTS)]
        world.until(
            lambda: [running.forward(token.text).status for token in tokens] == expected,
            "every change to be known",
            timeout=30,
        )


def test_a_token_deleted_during_an_outage_is_rejected(binaries: Path, tmp_path: Path) -> None:
    """The history in which it was deleted is compacted (410) when the validator is back: it lists, and sweeps."""
    with Cluster(Options(), binaries=binaries) as cluster:
        world = World(cluster)
        world.install()
        store_keys(world.client, HOME)
        gone, stays = store_tokens(world.client, world.cluster.create_namespace(), 2)
        with behind_a_wire(world, tmp_path / "validator.log") as (running, relay):
            world.until(lambda: running.forward(stays.text).status == 200, "the tokens to be known")
            relay.cut()
            gone.delete()
            # A new API server begins its history where it starts.
            cluster.restart_api_server()
            assert running.forward(gone.text).status == 200, "from memory, within the bound"
            relay.mend()
            world.until(lambda: running.forward(gone.text).status == 401, "the deletion", timeout=40)
            assert running.forward(stays.text).status == 200


def test_crds_that_come_and_go_do_not_end_it(binaries: Path, tmp_path: Path) -> None:
    """Without them no token exists; when they are restored it continues automatically."""
    with Cluster(Options(), binaries=binaries) as cluster:
        world = World(cluster)
        world.install()
        store_keys(world.client, HOME)
        (token,) = store_tokens(world.client, world.cluster.create_namespace(), 1)
        with validator(world, tmp_path / "validator.log", "--max-staleness=5s") as running:
            world.until(lambda: running.forward(token.text).status == 200, "the token to be known")
            cluster.kubectl("delete", "-f", str(ROOT / "crds"), "--wait=true")
            world.until(
                lambda: running.forward(token.text).status in {401, 503}, "it to be refused", timeout=30
            )
            assert running.forward(token.text).status != 200
            cluster.kubectl("apply", "-f", str(ROOT / "crds"))
            cluster.kubectl("wait", "--for=condition=Established", "--timeout=20s", "-f", str(ROOT / "crds"))
            (again,) = store_tokens(world.client, world.cluster.create_namespace(), 1)
            world.until(lambda: running.forward(again.text).status == 200, "the new token", timeout=60)
            assert running.forward(token.text).status == 401
            assert "Traceback" not in running.process.output()


def test_a_history_that_goes_back_is_noticed(binaries: Path, tmp_path: Path) -> None:
    """After a restore of etcd: what was revoked since is valid again, and later changes are seen immediately."""
    with Cluster(Options(), binaries=binaries) as cluster:
        world = World(cluster)
        world.install()
        store_keys(world.client, HOME)
        token, other = store_tokens(world.client, world.cluster.create_namespace(), 2)
        with validator(world, tmp_path / "validator.log", "--max-staleness=5s") as running:
            world.until(lambda: running.forward(token.text).status == 200, "the token to be known")
            snapshot = cluster.snapshot(tmp_path / "snapshot")
            for number in range(50):
                other.change(description=f"version {number}")
            token.change(state="Revoked")
            world.until(lambda: running.forward(token.text).status == 401, "the revocation", timeout=40)
            cluster.restore(snapshot)
            world.until(lambda: running.forward(token.text).status == 200, "what is true now", timeout=60)
            other.change(state="Revoked")
            world.until(
                lambda: running.forward(other.text).status == 401, "a change of the new history", timeout=20
            )
