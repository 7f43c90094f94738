"""Asking a validator about a token, as a proxy does: at its forward-auth address."""

from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import click

from servicetokens.cli.findings import Finding, Level
from servicetokens.cli.simulation import Request
from servicetokens.cli.verifying import Answer

_SECONDS: Final = 5.0
_EXAMPLE: Final = "http://validator.example.com:8080/validate"


class ValidatorUrl(click.ParamType[str]):
    """The forward-auth address of a validator."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        try:
            parts = urlsplit(value)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            with_password = "@" in parts.netloc
        except ValueError:
            usable = with_password = False
        if with_password:
            # It is not repeated: a password would be in what people copy from their terminal.
            self.fail(
                f"the URL holds a user name or password, which validators do not read; use {_EXAMPLE}",
                param,
                ctx,
            )
        if not usable:
            self.fail(f"'{value}' is not a whole URL; expected one such as {_EXAMPLE}", param, ctx)
        return value


ask_option: Final = click.option(
    "--ask",
    metavar="URL",
    type=ValidatorUrl(),
    help=f"Ask this validator, too: its forward-auth address, as in {_EXAMPLE}.",
)


async def ask(url: str, token: str, request: Request) -> tuple[Finding, Answer]:
    """Return what the validator at *url* says of *token* in *request*; only it can check the keyed hash."""
    import aiohttp  # noqa: PLC0415 - imported by the connection to the cluster, and not needed offline

    from servicetokens.kube.failures import in_words  # noqa: PLC0415 - as above

    headers = {"Authorization": f"Bearer {token}", **_described(request)}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as client,
            client.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            return _read(url, answer.status, request)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Finding(Level.UNKNOWN, "validator", f"no answer from {url}: {in_words(error)}"), Answer.NONE


def _described(request: Request) -> dict[str, str]:
    """Return the headers by which Traefik and Caddy describe a client's request."""
    http, host = request.http, request.host or _host_of(request.audience)
    found = {}
    if http is not None or host:
        found["X-Forwarded-Method"] = http.method if http is not None else "GET"
        found["X-Forwarded-Uri"] = (request.path or "/") if http is not None else "/"
    if host:
        found["X-Forwarded-Host"] = host
    if request.client is not None:
        found["X-Forwarded-For"] = request.client
    return found


def _host_of(audience: str | None) -> str:
    """Return the host for which a proxy asks about this audience; empty where it is no host."""
    if audience is None:
        return ""
    return urlsplit(audience if "://" in audience else f"//{audience}").netloc


def _read(url: str, status: int, request: Request) -> tuple[Finding, Answer]:
    if status == HTTPStatus.OK:
        return Finding(Level.OK, "validator", f"{url} accepts it"), Answer.ACCEPTED
    if status == HTTPStatus.UNAUTHORIZED:
        return Finding(Level.BAD, "validator", f"{url} rejects it (401)"), Answer.REJECTED
    if status == HTTPStatus.FORBIDDEN:
        if request.http is not None:
            message = f"{url} knows it, but does not allow this request (403)"
            return Finding(Level.BAD, "validator", message), Answer.NOT_ALLOWED
        message = f"{url} knows it (403: no request was described; use --method, --path and --host)"
        return Finding(Level.OK, "validator", message), Answer.ACCEPTED
    if status == HTTPStatus.NOT_FOUND:
        message = f"{url} is not a forward-auth address (404); expected one such as {_EXAMPLE}"
    elif status == HTTPStatus.BAD_REQUEST:
        message = f"{url} does not understand the description of the request (400)"
    elif status == HTTPStatus.TOO_MANY_REQUESTS:
        message = f"{url} is throttling this address after too many invalid tokens (429); try again later"
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        message = f"{url} cannot answer yet: it has not listed everything yet (503)"
    else:
        message = f"{url} answers {status}, which no validator does; expected an address such as {_EXAMPLE}"
    return Finding(Level.UNKNOWN, "validator", message), Answer.NONE
