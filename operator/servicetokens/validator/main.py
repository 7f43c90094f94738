"""`servicetokens validator`: the flags, the signals, and the exit status."""

import asyncio
import signal
import sys
from functools import partial
from typing import Any

import click
import uvloop

from servicetokens.kube.client import Api
from servicetokens.kube.errors import NotConfigured
from servicetokens.runtime import logs
from servicetokens.runtime.flags import flags_of
from servicetokens.runtime.health import AddressInUse, HealthServer
from servicetokens.runtime.settings import InvalidSettings, build
from servicetokens.runtime.supervision import PartEnded
from servicetokens.validator.listeners import MissingExtra
from servicetokens.validator.process import Validator
from servicetokens.validator.settings import ValidatorSettings
from servicetokens.validator.tls import ListenerTls, UnusableCertificate

_log = logs.get_logger(__name__)


async def run(settings: ValidatorSettings, tls: ListenerTls | None) -> None:
    """Run the validator until SIGTERM or SIGINT; a second signal, or SIGINT itself, cuts the draining short.

    Raises:
        NotConfigured: no API server is configured.
        AddressInUse: an address cannot be listened on.
        PartEnded: see `Validator.run`.
    """
    stop, hurry = asyncio.Event(), asyncio.Event()

    def end(*, at_once: bool) -> None:
        if at_once or stop.is_set():
            hurry.set()
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, partial(end, at_once=False))
    loop.add_signal_handler(signal.SIGINT, partial(end, at_once=True))
    async with await Api.connect(settings.kubeconfig) as api:
        validator = Validator(api, settings, tls)
        health = HealthServer(
            *settings.health_address,
            missing=validator.missing,
            degraded=validator.degraded,
            registry=validator.registry(),
        )
        await health.start()
        try:
            await validator.run(stop, hurry)
        finally:
            await health.stop()
    _log.info("ended")


def _read_tls(settings: ValidatorSettings) -> ListenerTls | None:
    if not (settings.tls_cert_file and settings.tls_key_file):
        return None
    return ListenerTls(settings.tls_cert_file, settings.tls_key_file, settings.client_ca_file)


@click.command(context_settings={"auto_envvar_prefix": "SERVICETOKENS", "show_default": True})
@flags_of(ValidatorSettings)
def command(**flags: Any) -> None:
    """Decide whether presented tokens are valid."""
    try:
        settings = build(ValidatorSettings, flags)
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from None
    logs.configure(settings.log_level, settings.log_format)
    try:
        uvloop.run(run(settings, _read_tls(settings)))
    except (NotConfigured, AddressInUse, MissingExtra, PartEnded, UnusableCertificate) as error:
        click.echo(f"servicetokens validator: {error}", err=True)
        sys.exit(1)
