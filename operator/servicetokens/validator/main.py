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
from servicetokens.runtime.health import AddressInUse, HealthServer
from servicetokens.runtime.settings import InvalidSettings, ValidatorSettings, build
from servicetokens.runtime.supervision import PartEnded
from servicetokens.validator.listeners import MissingExtra
from servicetokens.validator.process import Validator
from servicetokens.validator.tls import ListenerTls, UnusableCertificate

_log = logs.get_logger(__name__)


async def run(settings: ValidatorSettings, tls: ListenerTls | None) -> None:
    """Run the validator until SIGTERM or SIGINT; a second signal, or SIGINT itself, cuts the draining short.

    Raises:
        NotConfigured: there is no way to reach an API server.
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
@click.option(
    "--kubeconfig",
    metavar="FILE",
    help="Path to a kubeconfig. Defaults to $KUBECONFIG, then the pod's service account.",
)
@click.option(
    "--namespace", default="servicetokens", metavar="NS", help="Namespace of the operator and its keys."
)
@click.option(
    "--watch-namespace",
    multiple=True,
    metavar="NS",
    help="Namespace to serve; repeatable. Defaults to all namespaces.",
)
@click.option("--token-prefix", default="svt", metavar="WORD", help="Prefix of every token.")
@click.option(
    "--token-review-address",
    default="0.0.0.0:8443",
    metavar="HOST:PORT",
    help="Address of the TokenReview webhook for kube-apiserver, over TLS; '' disables it.",
)
@click.option(
    "--forward-auth-address",
    default="0.0.0.0:8080",
    metavar="HOST:PORT",
    help="Address of forward-auth for nginx, Traefik, Caddy and HAProxy; '' disables it.",
)
@click.option(
    "--ext-authz-address",
    default="0.0.0.0:8081",
    metavar="HOST:PORT",
    help="Address of ext_authz over HTTP for Envoy and Istio, on every path; '' disables it.",
)
@click.option(
    "--ext-authz-grpc-address",
    default="",
    metavar="HOST:PORT",
    help="Address of ext_authz over gRPC for Envoy and Istio; '' disables it.",
)
@click.option(
    "--introspection-address",
    default="0.0.0.0:8444",
    metavar="HOST:PORT",
    help="Address of token introspection (RFC 7662) over TLS; '' disables it.",
)
@click.option(
    "--tls-cert-file", metavar="FILE", help="Certificate chain in PEM format; reloaded when it changes."
)
@click.option("--tls-key-file", metavar="FILE", help="Private key in PEM format, without password.")
@click.option(
    "--client-ca-file",
    metavar="FILE",
    help="CA in PEM format. Clients of the TokenReview listener must have a certificate signed by it.",
)
@click.option(
    "--client-name",
    multiple=True,
    metavar="NAME",
    help="Name that a client certificate must have (DNS, URI or CN); repeatable.",
)
@click.option(
    "--trusted-proxy",
    multiple=True,
    metavar="CIDR",
    help="Network of proxies whose X-Forwarded-For header is trusted; repeatable.",
)
@click.option(
    "--allow-without-roles",
    is_flag=True,
    help="Accept valid tokens without any role on forward-auth and ext_authz, for proxies that only authenticate.",
)
@click.option(
    "--peer-share",
    default="25",
    metavar="PERCENT",
    help="Share of each listener's connections that one client address (of IPv6, one /64) may hold.",
)
@click.option(
    "--max-staleness",
    default="60s",
    metavar="DURATION",
    help="Answer 503 when the data from the API server is older than this.",
)
@click.option(
    "--introspection-max-age",
    default="60s",
    metavar="DURATION",
    help="How long clients may keep a response (the latest `exp`). 0s means until the token expires.",
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
