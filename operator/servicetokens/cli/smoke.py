"""`servicetokens smoke-test`: a token is minted, accepted, deleted and rejected, as `helm test` runs it."""

import asyncio
import base64
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import click
import msgspec

from servicetokens.api import names
from servicetokens.cli.duration import Timeout
from servicetokens.cli.explaining import explained
from servicetokens.kube import paths
from servicetokens.kube.client import Api
from servicetokens.kube.errors import Conflict, KubeError, NotConfigured, NotFound
from servicetokens.kube.failures import in_words
from servicetokens.kube.objects import ObjectStore
from servicetokens.kube.secrets import SecretStore
from servicetokens.runtime.clock import Clock, SystemClock

_POLL: Final = 0.2
# It is deleted long before; if the test is killed, the token expires.
_LIFETIME: Final = "1h"
_ACCEPTED: Final = "accepted"
# RFC 6750 section 3.1: the token is valid, and not good enough for this request.
_LACKS_ROLE: Final = 'error="insufficient_scope"'


class SmokeTestFailed(Exception):
    """Something did not happen in time. The message says what, and what was seen instead."""


class SmokeTest:
    """One account and one token of the same name. *say* is called with each step once it is done."""

    def __init__(
        self,
        api: Api,
        url: str,
        namespace: str,
        name: str,
        *,
        seconds: float,
        clock: Clock,
        say: Callable[[str], object],
    ) -> None:
        self._api = api
        self._objects = ObjectStore(api)
        self._url = url
        self._namespace = namespace
        self._name = name
        self._seconds = seconds
        self._clock = clock
        self._say = say

    async def run(self) -> None:
        """Do everything, and leave nothing behind.

        Raises:
            SmokeTestFailed: a step took too long.
            KubeError: the API server rejected a step.
        """
        # Of a test that was killed.
        await self._delete_both()
        try:
            await self._create(names.PLURAL_ACCOUNTS, names.KIND_ACCOUNT, {})
            spec = {"accountRef": {"name": self._name}, "expiresAfter": _LIFETIME}
            await self._create(names.PLURAL_TOKENS, names.KIND_TOKEN, spec)
            await self._until("the token to be minted", self._readiness, "ready")
            value = await self._value()
            self._say(f"minted into the Secret {self._name} of namespace {self._namespace}")
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
                await self._until(
                    "the validator to accept it", lambda: self._answer(session, value), _ACCEPTED
                )
                self._say(f"accepted by {self._url}")
                await self._delete(names.PLURAL_TOKENS)
                await self._until("the validator to reject it", lambda: self._answer(session, value), "401")
            self._say("deleted, and rejected")
        finally:
            await self._delete_both()

    async def _until(self, what: str, look: Callable[[], Awaitable[str]], wanted: str) -> None:
        deadline = self._clock.monotonic() + self._seconds
        while (found := await look()) != wanted:
            if self._clock.monotonic() > deadline:
                message = f"waited {self._seconds:g} s for {what}, and found: {found}"
                raise SmokeTestFailed(message)
            await asyncio.sleep(_POLL)

    async def _readiness(self) -> str:
        token = await self._objects.get(names.PLURAL_TOKENS, self._namespace, self._name)
        for condition in (token.get("status") or {}).get("conditions") or ():
            if condition["type"] == "Ready":
                return (
                    "ready"
                    if condition["status"] == "True"
                    else f"{condition['reason']}: {condition['message']}"
                )
        return "no status; check that the operator runs and serves this namespace"

    async def _value(self) -> str:
        secret = await SecretStore(self._api).get(self._namespace, self._name)
        return base64.b64decode(secret["data"][names.SECRET_KEY]).decode()

    async def _answer(self, session: aiohttp.ClientSession, value: str) -> str:
        try:
            async with session.get(self._url, headers={"Authorization": f"Bearer {value}"}) as answer:
                # The account of this test has no role, so nothing is allowed to it; that is said of valid tokens only.
                scope = _LACKS_ROLE in answer.headers.get("WWW-Authenticate", "")
                is_accepted = answer.status == HTTPStatus.OK or (
                    answer.status == HTTPStatus.FORBIDDEN and scope
                )
                return _ACCEPTED if is_accepted else str(answer.status)
        except (aiohttp.ClientError, OSError) as error:
            return f"no answer from {self._url}: {in_words(error)}"

    async def _create(self, plural: str, kind: str, spec: dict[str, Any]) -> None:
        body = {"apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": self._name}, "spec": spec}

        async def created() -> str:
            try:
                await self._api.request(
                    "POST", paths.ours(plural, self._namespace), body=msgspec.json.encode(body)
                )
            except Conflict:
                return f"the {kind} of an earlier test, which is still being deleted"
            return "created"

        await self._until(f"the {kind} to be created", created, "created")

    async def _delete_both(self) -> None:
        await self._delete(names.PLURAL_TOKENS)
        await self._delete(names.PLURAL_ACCOUNTS)

    async def _delete(self, plural: str) -> None:
        try:
            await self._api.request("DELETE", paths.ours(plural, self._namespace, self._name))
        except NotFound:
            return


@click.command("smoke-test", context_settings={"auto_envvar_prefix": "SERVICETOKENS", "show_default": True})
@click.option(
    "--kubeconfig",
    metavar="FILE",
    help="Path to a kubeconfig. Defaults to $KUBECONFIG, then ~/.kube/config, then the pod's service account.",
)
@click.option("--namespace", required=True, metavar="NS", help="Namespace for the account and the token.")
@click.option(
    "--name", default="servicetokens-smoke-test", metavar="NAME", help="Name of the account and the token."
)
@click.option(
    "--ask", required=True, metavar="URL", help="Address of a validator's forward-auth or ext_authz listener."
)
@click.option(
    "--timeout",
    type=Timeout(),
    default="60s",
    metavar="TIME",
    help="How long to wait in each step.",
)
def command(kubeconfig: str | None, namespace: str, name: str, ask: str, timeout: float) -> None:
    """Test an installation: a token is minted, accepted, deleted and rejected. Exits with 1 if a step fails."""
    try:
        asyncio.run(_run(kubeconfig, ask, namespace, name, timeout))
    except (SmokeTestFailed, KubeError, NotConfigured, paths.InvalidName) as error:
        click.echo(f"servicetokens smoke-test: {explained(error)}", err=True)
        sys.exit(1)


async def _run(kubeconfig: str | None, url: str, namespace: str, name: str, seconds: float) -> None:
    async with await Api.connect(kubeconfig, personal=True) as api:
        test = SmokeTest(api, url, namespace, name, seconds=seconds, clock=SystemClock(), say=click.echo)
        await test.run()
