"""The options that describe the request for which `verify` checks a token; impossible requests are rejected."""

import re
from typing import Final

import click

from servicetokens.authn.addresses import parse_address
from servicetokens.cli.options import Function, with_options
from servicetokens.cli.simulation import Request

# Tokens and hosts as in RFC 9110; a port may follow a host.
_METHOD: Final = re.compile(r"[0-9A-Za-z!#$%&'*+.^_`|~-]{1,64}")
_HOST: Final = re.compile(r"(?:[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# Visible ASCII without `#`, which a client never sends, and without what has to be percent-encoded.
_PATH: Final = re.compile(r"/[!-~]*")


def describing(function: Function) -> Function:
    """Give a command `--method`, `--path`, `--host`, `--audience` and `--from`."""
    return with_options(
        function,
        [
            click.option("--method", metavar="METHOD", help="HTTP method of the request."),
            click.option("--path", metavar="PATH", help="Path of the request, as in /orders/7."),
            click.option("--host", metavar="HOST", help="Host of the request."),
            click.option("--audience", metavar="AUDIENCE", help="Audience that the request is for."),
            click.option("--from", "client", metavar="ADDRESS", help="IP address of the client."),
        ],
    )


def described(
    method: str | None, path: str | None, host: str | None, audience: str | None, client: str | None
) -> Request:
    """Return the request that is described. Raises `click.UsageError` for what cannot be part of one."""
    for option, value in (
        *(("--method", method), ("--path", path), ("--host", host)),
        *(("--audience", audience), ("--from", client)),
    ):
        if value == "":
            message = f"{option} is empty: was a variable not set?"
            raise click.UsageError(message)
    if method is not None and not _METHOD.fullmatch(method):
        message = f"'{method}' is not an HTTP method, as in GET"
        raise click.UsageError(message)
    if path is not None and not path.startswith("/"):
        message = "a path begins with '/', as in /orders/7"
        raise click.UsageError(message)
    if path is not None and (not _PATH.fullmatch(path) or "#" in path):
        message = (
            "a path has no spaces, no '#' and no letters beyond ASCII: write them percent-encoded, as in %20"
        )
        raise click.UsageError(message)
    if host is not None and not _HOST.fullmatch(host):
        message = f"'{host}' is not a host, as in api.example.com: leave out scheme, path and user"
        raise click.UsageError(message)
    if audience is not None and any(character.isspace() for character in audience):
        message = f"'{audience}' is not an audience: there is white space in it"
        raise click.UsageError(message)
    if client is not None and parse_address(client) is None:
        message = f"'{client}' is not an IP address"
        raise click.UsageError(message)
    return Request(method, path, host, audience, client)
