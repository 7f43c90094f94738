"""A cluster with tokens, a validator, one that is never ready, a service, and every proxy in front of each."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from common.builders.stored import StoredToken, store_account, store_keys, store_role, store_token
from common.drivers.validating import RunningValidator, validator
from common.drivers.world import HOME, World, world_of
from controlplane.ports import LOOPBACK, free_ports
from proxies.backend import Backend
from proxies.cases import OFFICE, ORDERS
from proxies.clients import (
    CLIENTS,
    EXT_AUTHZ,
    EXT_AUTHZ_GRPC,
    FORWARD_AUTH,
    FORWARD_AUTH_2,
    SERVICE,
    Client,
    Proxy,
)
from proxies.observing import send


@dataclass(frozen=True)
class Tokens:
    """Tokens of one account.

    Attributes:
        good: may do everything but deploy.
        deployer: may deploy.
        reader: may only read orders.
        narrow: the same, at one host.
        for_orders: its audience is that host.
        from_office: is bound to one network.
        revoked: is revoked.
    """

    good: StoredToken
    deployer: StoredToken
    reader: StoredToken
    narrow: StoredToken
    for_orders: StoredToken
    from_office: StoredToken
    revoked: StoredToken


@dataclass(frozen=True)
class Front:
    """One proxy, three times: before a validator that works, one that is not ready, and none at all."""

    client: Client
    works: Proxy
    not_ready: Proxy
    down: Proxy


@pytest.fixture(scope="package")
def world(binaries: Path) -> Iterator[World]:
    """The cluster."""
    with world_of(binaries) as world:
        store_keys(world.client, HOME)
        store_role(world.client, "member")
        store_role(world.client, "deployer")
        store_role(world.client, "orders-reader", http=[{"methods": ["GET"], "paths": ["/orders/*"]}])
        rule = {"hosts": [ORDERS], "methods": ["GET"], "paths": ["/orders/*"]}
        store_role(world.client, "narrow", http=[rule])
        yield world


@pytest.fixture(scope="package")
def running(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningValidator]:
    """A validator that works."""
    # The proxies run there, and say where the client is. Envoy adds an address of this machine to the list, whichever
    # it finds first that is not on loopback.
    elsewhere = IPv4Network("0.0.0.0/0").address_exclude(IPv4Network("127.0.0.0/8"))
    trusted = [f"--trusted-proxy={network}" for network in (f"{LOOPBACK}/32", *elsewhere)]
    with validator(world, tmp_path_factory.mktemp("validator") / "log", *trusted) as running:
        yield running


@pytest.fixture(scope="package")
def tokens(world: World, running: RunningValidator) -> Tokens:
    """Known to the validator."""
    namespace = world.cluster.create_namespace()
    uid = store_account(
        world.client, namespace, "ci", roles=["member", "deployer", "orders-reader", "narrow"]
    )

    def token(name: str, **spec: object) -> StoredToken:
        return store_token(world.client, namespace, name, account="ci", account_uid=uid, **spec)

    found = Tokens(
        token("good", roles=["member"]),
        token("deployer", roles=["deployer"]),
        token("reader", roles=["orders-reader"]),
        token("narrow", roles=["narrow"]),
        token("for-orders", roles=["member"], audiences=[f"https://{ORDERS}"]),
        token("from-office", roles=["member"], allowedCIDRs=[f"{OFFICE}/32"]),
        token("revoked", roles=["member"], state="Revoked"),
    )
    world.until(lambda: running.forward(found.good.text).status == 200, "the tokens to be known")
    world.until(lambda: running.forward(found.revoked.text).status == 401, "the last one to be known")
    return found


@pytest.fixture(scope="package")
def fronts(
    world: World, running: RunningValidator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Front]]:
    """Every proxy, by name."""
    directory = tmp_path_factory.mktemp("proxies")
    dead = free_ports(4)
    with ExitStack() as stack:
        service = stack.enter_context(Backend())
        # Its rights end at its own namespace, so that it never gets the keys of this one.
        waiting = stack.enter_context(
            validator(world, directory / "waiting.log", "--namespace=default", wait=False)
        )

        def start(client: Client, state: str, one: RunningValidator | None) -> Proxy:
            ports = one.ports if one else None
            addresses = {
                SERVICE: service.port,
                FORWARD_AUTH: ports.forward_auth if ports else dead[0],
                FORWARD_AUTH_2: ports.forward_auth if ports else dead[1],
                EXT_AUTHZ: ports.ext_authz if ports else dead[2],
                EXT_AUTHZ_GRPC: ports.ext_authz_grpc if ports else dead[3],
            }
            (directory / state).mkdir(exist_ok=True)
            proxy = client.start(directory / state, addresses)
            stack.callback(proxy.process.kill)
            return proxy

        found = {
            client.name: Front(
                client,
                start(client, "works", running),
                start(client, "not-ready", waiting),
                start(client, "down", None),
            )
            for client in CLIENTS
        }
        for front in found.values():
            for proxy in (front.works, front.not_ready, front.down):
                world.until(partial(_answers, proxy), f"{front.client.name} to answer", timeout=30)
        yield found


def _answers(proxy: Proxy) -> bool:
    proxy.process.raise_if_ended()
    try:
        return send(proxy.port, "/").status != 404
    except OSError:
        return False
