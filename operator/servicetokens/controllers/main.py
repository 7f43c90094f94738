"""`servicetokens operator`: the flags, and the process from its start to its end."""

import asyncio
import sys
from typing import Any

import click

from servicetokens.controllers.process import Operator
from servicetokens.controllers.signals import end_on_signals
from servicetokens.kube.client import Api
from servicetokens.kube.errors import NotConfigured
from servicetokens.runtime import logs
from servicetokens.runtime.clock import SystemClock
from servicetokens.runtime.entropy import os_entropy
from servicetokens.runtime.health import AddressInUse, HealthServer
from servicetokens.runtime.settings import InvalidSettings, OperatorSettings, build
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
@click.option(
    "--kubeconfig",
    metavar="FILE",
    help="Path to a kubeconfig. Defaults to $KUBECONFIG, then the pod's service account.",
)
@click.option(
    "--namespace",
    default="servicetokens",
    metavar="NS",
    help="Namespace of the operator: its keys, certificates and Leases.",
)
@click.option(
    "--watch-namespace",
    multiple=True,
    metavar="NS",
    help="Namespace to serve; repeatable. Defaults to all namespaces.",
)
@click.option("--token-prefix", default="svt", metavar="WORD", help="Prefix of every token.")
@click.option(
    "--leader-election/--no-leader-election",
    default=True,
    help="Elect a leader among several operators. Only the leader writes; the others are standbys.",
)
@click.option(
    "--lease-duration",
    default="15s",
    metavar="DURATION",
    help="Time after which another operator takes over when the leader crashes.",
)
@click.option(
    "--watch-secrets/--no-watch-secrets",
    default=True,
    help="Watch the Secrets of tokens and repair them immediately; needs permission to list Secrets.",
)
@click.option(
    "--issue-certificate/--no-issue-certificate",
    default=True,
    help="Issue and renew the validators' TLS certificate in the Secret servicetokens-validator-tls.",
)
@click.option(
    "--certificate-name",
    multiple=True,
    metavar="NAME",
    help="Additional DNS name or IP address of the certificate; repeatable.",
)
@click.option(
    "--health-address",
    default="0.0.0.0:9090",
    metavar="HOST:PORT",
    help="Address of /livez, /readyz and /metrics.",
)
@click.option("--log-format", default="json", metavar="json|text", help="Log format.")
@click.option(
    "--log-level", default="info", metavar="LEVEL", help="Log level: debug, info, warning or error."
)
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
