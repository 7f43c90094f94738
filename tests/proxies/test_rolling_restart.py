"""Two validators behind a proxy are restarted one after the other, and no client notices."""

import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from common.drivers.validating import RunningValidator, validator
from common.drivers.world import World
from proxies.backend import Backend
from proxies.clients import CLIENTS, EXT_AUTHZ, EXT_AUTHZ_GRPC, FORWARD_AUTH, FORWARD_AUTH_2, SERVICE
from proxies.conftest import Tokens
from proxies.observing import send

CLIENTS_AT_ONCE = 8
PAUSE = 0.02


class Load:
    """Clients that ask all the time, each with a pause, until they are stopped."""

    def __init__(self, port: int, token: str) -> None:
        self.answers: Counter[str] = Counter()
        self._port, self._token = port, token
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS_AT_ONCE)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._ending.wait(PAUSE):
            try:
                self.answers[str(send(self._port, "/", (("Authorization", f"Bearer {self._token}"),)))] += 1
            except OSError as error:
                self.answers[type(error).__name__] += 1


@pytest.mark.timeout(180)
def test_no_request_is_lost(world: World, running: RunningValidator, tokens: Tokens, tmp_path: Path) -> None:
    """The proxy asks the other one when the first answers 503, or not at all; with the configuration of its page."""
    del running  # only for the tokens, which it knows
    nginx = next(client for client in CLIENTS if client.name == "nginx")
    with ExitStack() as stack:
        service = stack.enter_context(Backend())
        first = stack.enter_context(validator(world, tmp_path / "first.log"))
        second = stack.enter_context(validator(world, tmp_path / "second.log"))
        addresses = {
            SERVICE: service.port,
            FORWARD_AUTH: first.ports.forward_auth,
            FORWARD_AUTH_2: second.ports.forward_auth,
            EXT_AUTHZ: first.ports.ext_authz,
            EXT_AUTHZ_GRPC: first.ports.ext_authz_grpc,
        }
        proxy = nginx.start(tmp_path, addresses)
        stack.callback(proxy.process.kill)
        header = (("Authorization", f"Bearer {tokens.good.text}"),)
        world.until(lambda: _passes(proxy.port, header), "nginx to answer", timeout=20)
        with Load(proxy.port, tokens.good.text) as load:
            for number, one in enumerate((first, second)):
                assert one.process.stop(30) == 0
                again = validator(world, tmp_path / f"again-{number}.log", ports=one.ports)
                stack.enter_context(again)
                time.sleep(0.5)
        assert set(load.answers) == {"200, passed"}, load.answers
        assert load.answers.total() > 500


def _passes(port: int, header: tuple[tuple[str, str], ...]) -> bool:
    try:
        return send(port, "/", header).reached is not None
    except OSError:
        return False
