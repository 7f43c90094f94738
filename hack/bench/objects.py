"""Our objects in the API, written as fast as the server takes them, by the same client as the operator's."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar

from servicetokens.api.names import API_VERSION, KIND_ACCOUNT, KIND_ROLE, KIND_TOKEN
from servicetokens.kube.client import Api
from servicetokens.kube.errors import AlreadyExists

# As many as the operator has workers; more only adds latency.
IN_FLIGHT: Final = 32
GROUP_PATH: Final = f"/apis/{API_VERSION}"
ROLE: Final = "bench-reader"
ACCOUNT: Final = "ci"
LIFETIME: Final = "30d"

Json = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")


async def gather_limited(
    work: Callable[[T], Awaitable[R]], items: Iterable[T], *, in_flight: int = IN_FLIGHT
) -> list[R]:
    """Do *work* for every item, *in_flight* at a time, and return the results in order."""
    room = asyncio.Semaphore(in_flight)

    async def one(item: T) -> R:
        """Do one when there is room."""
        async with room:
            return await work(item)

    return await asyncio.gather(*(one(item) for item in items))


async def send(api: Api, method: str, path: str, body: Json, **query: str) -> Json:
    """Send one object and return what the server made of it."""
    answer = await api.request(method, path, query=query, body=json.dumps(body).encode(), timeout=60)
    result: Json = json.loads(answer)
    return result


async def get(api: Api, path: str, **query: str) -> Json:
    """Read one object or list."""
    result: Json = json.loads(await api.request("GET", path, query=query, timeout=60))
    return result


async def prepare_namespace(api: Api, name: str) -> str:
    """Make a namespace with one account that has one role; return the account's uid."""
    await send(api, "POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    role = object_of(KIND_ROLE, ROLE, spec={"permissions": ["orders:read"], "allowedNamespaces": ["*"]})
    # The namespaces share it.
    with suppress(AlreadyExists):
        await send(api, "POST", f"{GROUP_PATH}/serviceroles", role)
    account = object_of(KIND_ACCOUNT, ACCOUNT, spec={"roles": [ROLE]})
    created = await send(api, "POST", f"{GROUP_PATH}/namespaces/{name}/serviceaccounts", account)
    return str(created["metadata"]["uid"])


def token_path(namespace: str, name: str = "") -> str:
    """Return the path of a ServiceToken, or of all of *namespace*."""
    return f"{GROUP_PATH}/namespaces/{namespace}/servicetokens" + (f"/{name}" if name else "")


def token_object(name: str) -> Json:
    """Return a ServiceToken as a user would write it."""
    spec = {"accountRef": {"name": ACCOUNT}, "expiresAfter": LIFETIME, "roles": [ROLE]}
    return object_of(KIND_TOKEN, name, spec=spec)


def names(count: int) -> list[str]:
    """Return *count* names of tokens."""
    return [f"token-{number:05}" for number in range(count)]


@asynccontextmanager
async def watching(api: Api, path: str, see: Callable[[Json], None], **query: str) -> AsyncIterator[None]:
    """Call *see* with every watch event of *path* from now on, while the context lasts."""
    version = (await get(api, path, limit="1"))["metadata"]["resourceVersion"]
    parameters = {**query, "watch": "true", "resourceVersion": version}

    async def follow() -> None:
        """Read the watch until everything was seen."""
        async with api.stream(path, parameters, silence=120) as lines:
            async for line in lines:
                see(json.loads(line))

    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def object_of(kind: str, name: str, *, spec: Json) -> Json:
    """Return one of our objects as a user would write it."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
