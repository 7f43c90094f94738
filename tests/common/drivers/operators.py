"""Operators to run on a cluster: as a process of its own, or in a thread, by a clock that a test moves."""

import asyncio
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

from common.fakes.clock import FakeClock
from controlplane.ports import LOOPBACK
from controlplane.processes import Process
from controlplane.waiting import patient
from servicetokens.controllers.process import Operator
from servicetokens.controllers.settings import OperatorSettings
from servicetokens.kube.client import Api
from servicetokens.runtime.entropy import os_entropy


class RunningOperator:
    """An operator process and its health page."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self.port = port

    def page(self, path: str) -> tuple[int, str]:
        """Return status and text of a page on the health address; 0 while nothing listens there."""
        try:
            with urllib.request.urlopen(
                f"http://{LOOPBACK}:{self.port}{path}", timeout=patient(5)
            ) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def assert_sound(self) -> None:
        """Raise when the process has ended, or has logged a traceback."""
        self.process.raise_if_ended()
        assert "Traceback" not in self.process.output()

    def is_ready(self) -> bool:
        """Say whether `/readyz` says so; raise when the process has ended."""
        self.process.raise_if_ended()
        return self.page("/readyz")[0] == 200


class OperatorThread(threading.Thread):
    """Runs the parts of the operator in an event loop of their own."""

    def __init__(self, kubeconfig: str, clock: FakeClock, namespace: str, schema_period: float) -> None:
        super().__init__(name="operator", daemon=True)
        self._schema_period = schema_period
        self._settings = OperatorSettings(
            kubeconfig=kubeconfig, watch_namespace=(namespace,), leader_election=False
        )
        self._clock = clock
        self._operator: Operator | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()

    def run(self) -> None:
        """See `threading.Thread`."""
        asyncio.run(self._serve())

    def is_ready(self) -> bool:
        """Say whether nothing is missing."""
        return not self.missing()

    def missing(self) -> str:
        """Return the text of `/readyz` while it is not ready, else nothing."""
        assert self.is_alive()
        return "\n".join(self._operator.missing()) if self._operator is not None else "not started"

    def end(self) -> None:
        """Stop as at SIGTERM, and wait."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)
        self.join(timeout=patient(20))
        assert not self.is_alive()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with await Api.connect(self._settings.kubeconfig) as api:
            self._operator = Operator(
                api,
                self._settings,
                clock=self._clock,
                entropy=os_entropy,
                schema_period=self._schema_period,
            )
            await self._operator.run(self._ending)


def operator_command(kubeconfig: Path, health_port: int, *flags: str) -> list[str]:
    """Return the command line of an operator. What is killed here leaves no Lease behind that the next waits for."""
    return [
        sys.executable,
        "-m",
        "servicetokens",
        "operator",
        f"--kubeconfig={kubeconfig}",
        f"--health-address={LOOPBACK}:{health_port}",
        "--no-leader-election",
        *flags,
    ]
