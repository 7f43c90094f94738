"""Our validator in other surroundings than its command gives it: `python -m bench.plain [options] <flags>`.

--no-tls                 without TLS anywhere, to see what an answer costs apart from it
--service-account=DIR    reached as from inside a pod: without the client library that reads kubeconfig files

The flags are those of `servicetokens validator`. SIGUSR1 makes it list everything again, as it does when it
has lost its place in the history.
"""

import sys

# A library of the tests that structlog would load if it could; no installation has it.
sys.modules["rich"] = None  # type: ignore[assignment]

import asyncio
import os
import signal
from pathlib import Path

import uvloop

from servicetokens.kube.access import PodSource
from servicetokens.kube.client import Api
from servicetokens.runtime import logs
from servicetokens.runtime.health import HealthServer
from servicetokens.validator.main import command
from servicetokens.validator.process import Validator
from servicetokens.validator.settings import ValidatorSettings
from servicetokens.validator.tls import ListenerTls

NO_TLS = "--no-tls"
SERVICE_ACCOUNT = "--service-account="


async def serve(settings: ValidatorSettings, tls: ListenerTls | None, service_account: Path | None) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with await _connect(settings, service_account) as api:
        validator = Validator(api, settings, tls)
        loop.add_signal_handler(signal.SIGUSR1, validator.list_again)
        health = HealthServer(
            *settings.health_address, missing=validator.missing, registry=validator.registry()
        )
        await health.start()
        try:
            await validator.run(stop, stop)
        finally:
            await health.stop()


async def _connect(settings: ValidatorSettings, service_account: Path | None) -> Api:
    if service_account is None:
        return await Api.connect(settings.kubeconfig)
    source = PodSource(os.environ, service_account)
    return Api(source, await source.load())


def main() -> None:
    """Read the flags as the command does."""
    own = [flag for flag in sys.argv[1:] if flag == NO_TLS or flag.startswith(SERVICE_ACCOUNT)]
    flags = [flag for flag in sys.argv[1:] if flag not in own]
    settings = ValidatorSettings(**command.make_context("validator", flags).params)
    logs.configure(settings.log_level, settings.log_format)
    assert settings.tls_cert_file is not None
    assert settings.tls_key_file is not None
    tls = None if NO_TLS in own else ListenerTls(settings.tls_cert_file, settings.tls_key_file)
    directories = [flag.removeprefix(SERVICE_ACCOUNT) for flag in own if flag != NO_TLS]
    uvloop.run(serve(settings, tls, Path(directories[0]) if directories else None))


if __name__ == "__main__":
    main()
