"""`servicetokens keys`: the keys, how many credentials depend on each, and which can be removed."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import click
import msgspec

from servicetokens.api import names
from servicetokens.cli.exits import Failure
from servicetokens.cli.explaining import explained
from servicetokens.cli.options import at_a_place, operator_namespace_option, output_option, run
from servicetokens.cli.session import Place, Session
from servicetokens.cli.views import TokenView
from servicetokens.kube import paths
from servicetokens.kube.client import Api
from servicetokens.kube.errors import KubeError, NotConfigured, NotFound
from servicetokens.kube.requester import Requester
from servicetokens.kube.secrets import SecretStore
from servicetokens.kube.watch import list_pages
from servicetokens.runtime.clock import SystemClock
from servicetokens.tokens.keycount import UNKNOWN, count_by_key
from servicetokens.tokens.verifier import InvalidKeyRing, KeyRing

_ADVICE: Final = {
    "signs": "new tokens are signed with it",
    "verifies": "tokens depend on it; they move to the newest key when they rotate",
    "unused": "nothing depends on it: it can be removed",
    "missing": "validators reject its credentials: restore the key, or have the tokens minted again",
}


@dataclass(frozen=True)
class KeyRow:
    """One key: `state` is one of `signs`, `verifies`, `unused`, `missing`."""

    key: str
    state: str
    credentials: int

    @property
    def advice(self) -> str:
        """Say in words what that state means."""
        return _ADVICE[self.state]


def rows(ring: KeyRing, key_ids: Iterable[str]) -> Sequence[KeyRow]:
    """Return a row for each key of *ring*, and one for all keys that credentials name but that do not exist."""
    found = []
    for key, count in count_by_key(Counter(key_ids), ring.ids).items():
        if key == UNKNOWN:
            state = "missing"
        elif key == ring.newest:
            state = "signs"
        else:
            state = "verifies" if count else "unused"
        if key != UNKNOWN or count:
            found.append(KeyRow(key, state, count))
    return found


async def live_key_ids(api: Requester, now: float) -> Sequence[str]:
    """Return the key of each credential in the cluster that has not ended by *now*. Raises `KubeError`."""
    found: list[str] = []
    async for page in list_pages(api, paths.ours(names.PLURAL_TOKENS)):
        for item in page.items or ():
            found += key_ids_of(item, now)
    return found


def key_ids_of(token: bytes | msgspec.Raw, now: float) -> Sequence[str]:
    """Return the key of each credential of one stored ServiceToken that has not ended by *now*; raises nothing.

    What cannot be read counts: a key is called unused only when nothing can depend on it.
    """
    try:
        view = TokenView(msgspec.json.decode(token, type=dict[str, Any]))
    except msgspec.MsgspecError:
        return [""]
    stored = view.status.get("credentials") or []
    credentials = view.credentials
    # What is not a credential at all is none that the view has.
    unread = len(stored) - len(credentials) if isinstance(stored, list) else 1
    live = [one.key_id for one in credentials if one.end is None or one.end > now]
    return [*live, *[""] * unread]


@click.command("keys", context_settings={"auto_envvar_prefix": "SERVICETOKENS", "show_default": True})
@click.option(
    "--kubeconfig",
    metavar="FILE",
    help="Path to a kubeconfig. Defaults to $KUBECONFIG, then ~/.kube/config, then the pod's service account.",
)
@click.option(
    "--namespace", default="servicetokens", metavar="NS", help="Namespace of the operator and its keys."
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="Output format.",
)
def standalone(kubeconfig: str | None, namespace: str, output: str) -> None:
    """List the keys, how many credentials depend on each, and which can be removed.

    Needs permission to get the Secret with the keys and to list ServiceTokens in all namespaces. No key is shown.
    """
    try:
        found = asyncio.run(_look(kubeconfig, namespace))
    except (KubeError, NotConfigured, InvalidKeyRing) as error:
        click.echo(f"servicetokens keys: {explained(error)}", err=True)
        sys.exit(1)
    show(found, output)


async def _look(kubeconfig: str | None, namespace: str) -> Sequence[KeyRow]:
    async with await Api.connect(kubeconfig, personal=True) as api:
        return await look(api, namespace)


async def look(api: Requester, namespace: str) -> Sequence[KeyRow]:
    """Return a row for each key of the operator in *namespace*, and for credentials of keys that do not exist.

    Raises:
        InvalidKeyRing: the keys do not exist, or cannot be used.
        KubeError: the API server could not be reached, or rejected the request.
    """
    try:
        secret = await SecretStore(api).get(namespace, names.KEYS_SECRET)
    except NotFound:
        message = (
            f"there is no Secret '{names.KEYS_SECRET}' in namespace '{namespace}': "
            "the operator creates it when it starts first; if it is lost, restore it from a backup"
        )
        raise InvalidKeyRing(message) from None
    ring = KeyRing.from_secret_data(secret.get("data") or {})
    return rows(ring, await live_key_ids(api, SystemClock().now()))


def show(found: Sequence[KeyRow], output: str) -> None:
    """Print *found* as `table` or `json`."""
    if output == "json":
        click.echo(json.dumps([_as_json(row) for row in found], indent=2))
        return
    click.echo(f"{'KEY':<10} {'CREDENTIALS':>11}  STATE")
    for row in found:
        click.echo(f"{row.key:<10} {row.credentials:>11}  {row.state}: {row.advice}")


def _as_json(row: KeyRow) -> dict[str, Any]:
    return {**asdict(row), "advice": row.advice}


@click.command("keys")
@operator_namespace_option
@output_option("table", "json")
@at_a_place()
def command(place: Place, operator_namespace: str, form: str) -> None:
    """List the keys, how many credentials depend on each, and which can be removed. No key is shown."""

    async def tell(session: Session) -> None:
        show(await look(session.cluster.api, operator_namespace), form)

    try:
        run(place, tell)
    except InvalidKeyRing as error:
        raise Failure(str(error)) from error
