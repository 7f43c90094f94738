"""`servicetokens operator`: the flags, and the process from its start to its end."""

import asyncio
import sys
from typing import Any

import click

from servicetokens.controllers.process import Operator
from servicetokens.controllers.settings import OperatorSettings
from servicetokens.controllers.signals import end_on_signals
from servicetokens.kube.client import Api
from servicetokens.kube.errors import NotConfigured
from servicetokens.runtime import logs
from servicetokens.runtime.clock import SystemClock
from servicetokens.runtime.entropy import os_entropy
from servicetokens.runtime.flags import flags_of
from servicetokens.runtime.health import AddressInUse, HealthServer
from servicetokens.runtime.settings import InvalidSettings, build
from servicetokens.runtime.supervision import PartEnded

_log = logs.get_logger(__name__)


async def run(settings: OperatorSettings) -> None:
    """Run the operator until SIGTERM or SIGINT. Raises `NotConfigured`, `AddressInUse`, and `PartEnded`."""
    stop = asyncio.Event()
    end_on_signals(stop)
    async with await Api.connect(settings.kubeconfig) as api:
        operator = Operator(api, settings, clock=SystemClock(), entropy=os_entropy)
        health = HealthServer(
            *settings.health_address,
            missing=operator.missing,
            degraded=operator.degraded,
            registry=operator.registry,
        )
        await health.start()
        try:
            await operator.run(stop)
        finally:
            await health.stop()
    _log.info("ended")


@click.command(context_settings={"auto_envvar_prefix": "SERVICETOKENS", "show_default": True})
@flags_of(OperatorSettings)
def command(**flags: Any) -> None:
    """Mint, rotate, expire and repair tokens. The only process that writes Secrets."""
    try:
        settings = build(OperatorSettings, flags)
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from None
    logs.configure(settings.log_level, settings.log_format)
    try:
        asyncio.run(run(settings))
    except (NotConfigured, AddressInUse, PartEnded) as error:
        click.echo(f"servicetokens operator: {error}", err=True)
        sys.exit(1)
