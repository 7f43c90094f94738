"""Whether kopf's watches work, as seen from outside: kopf retries without limit, and only logs it.

Two signs: the answer to each request for a watch, by aiohttp's tracing, and the tasks that kopf keeps for each watch,
by their names. A watch that was opened and falls silent is closed by kopf after 70 seconds, and opened again.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from servicetokens.api import names
from servicetokens.controllers.sources.lineage import Lineage
from servicetokens.kube import paths
from servicetokens.kube.failures import in_words
from servicetokens.runtime.readiness import Readiness
from servicetokens.runtime.supervision import PartEnded

# What kopf runs and does not wait for: its other tasks end the whole of it. The second one logs in again.
_RETRIEVER: Final = "credentials retriever"
_LASTING: Final = ("watcher for ", _RETRIEVER, "cleaner of ", "spawner of ")
# Shorter than it takes to mint a token: a task that ends before the first look is not known, and so not missed.
_CENSUS_SECONDS: Final = 0.1
# A second. A task that was replaced, and not ended, is missing for no longer than one turn of the event loop.
_LOOKS: Final = 10
# kopf finds out what is served, and then opens all watches together: two seconds on a slow machine, more for thousands
# of objects. What fails is retried every two seconds, and counts as begun.
_BEGIN_SECONDS: Final = 30.0


class Streams:
    """The watches that there have to be: a readiness check for each, by its path."""

    def __init__(self, readiness: Readiness, namespaces: Collection[str], *, secrets: bool) -> None:
        """Watch our kinds, and *secrets* if so, in *namespaces*, or everywhere when there are none."""
        self._readiness = readiness
        self._wanted = dict(_wanted(tuple(namespaces) or ("",), secrets=secrets))
        self._requested: set[str] = set()

    def expect(self) -> None:
        """Note that none of them is open yet."""
        self._requested.clear()
        for path, what in self._wanted.items():
            self._readiness.expect(_check(path), f"the watch of {what} has not begun yet")

    def trace(self) -> aiohttp.TraceConfig:
        """Return what observes the requests of kopf's session."""
        config = aiohttp.TraceConfig()
        config.on_request_end.append(self._answered)
        config.on_request_exception.append(self._failed)
        return config

    async def until_overdue(self, seconds: float = _BEGIN_SECONDS) -> None:
        """Never return; raise when a watch was not even requested within so many *seconds*.

        kopf reports nothing while it waits for something that does not come, and then the operator would stay unready.

        Raises:
            PartEnded: it names the first of them.
        """
        await asyncio.sleep(seconds)
        for path, what in self._wanted.items():
            if path not in self._requested:
                message = f"kopf has not begun the watch of {what} within {seconds:g} s"
                raise PartEnded(message)
        await asyncio.Event().wait()

    async def _answered(
        self, _session: Any, _context: Any, parameters: aiohttp.TraceRequestEndParams
    ) -> None:
        url, status = parameters.url, parameters.response.status
        self._requested.add(url.path)
        if status == HTTPStatus.OK and url.query.get("watch") == "true":
            self._readiness.clear(_check(url.path))
        else:
            self._report(url.path, url.query.get("watch") == "true", f"the API server answers {status}")

    async def _failed(
        self, _session: Any, _context: Any, parameters: aiohttp.TraceRequestExceptionParams
    ) -> None:
        if not isinstance(parameters.exception, asyncio.CancelledError):
            url = parameters.url
            self._requested.add(url.path)
            self._report(url.path, url.query.get("watch") == "true", in_words(parameters.exception))

    def _report(self, path: str, is_watch: bool, reason: str) -> None:  # noqa: FBT001 - of this class only
        if is_watch and path in self._wanted:
            what = self._wanted[path]
            self._readiness.set(_check(path), f"the watch of {what} cannot be opened: {reason}")


async def until_one_is_missing(lineage: Lineage) -> None:
    """Never return; raise when one of kopf's tasks, which are those of *lineage*, has ended unnoticed by kopf.

    A watcher that is cancelled is not started again by kopf, and one whose scheduler is cancelled queues events that
    are never processed.

    Raises:
        PartEnded: it names the task.
    """
    known: set[str] = set()
    absent: dict[str, int] = {}
    while True:
        await asyncio.sleep(_CENSUS_SECONDS)
        present = set(_lasting(lineage.tasks()))
        known |= present
        if present:
            # Created together with the others, so if it does not exist it has ended before the first check.
            known.add(_RETRIEVER)
        absent = {name: absent.get(name, 0) + 1 for name in known - present}
        # A scheduler ends with its watcher, in order: then both of its tasks are missing.
        known -= {name for name in absent if _other_half(name) in absent}
        for name, looks in absent.items():
            if looks >= _LOOKS and name in known:
                message = f"kopf's task '{name}' is missing"
                raise PartEnded(message)


def _lasting(tasks: Iterable[asyncio.Task[Any]]) -> Iterator[str]:
    for task in tasks:
        name = task.get_name()
        if name.startswith(_LASTING):
            yield name


def _other_half(name: str) -> str:
    role, _, scheduler = name.partition(" of ")
    return f"{'spawner' if role == 'cleaner' else 'cleaner'} of {scheduler}" if scheduler else ""


def _wanted(namespaces: tuple[str, ...], *, secrets: bool) -> Iterator[tuple[str, str]]:
    yield paths.ours(names.PLURAL_ROLES), names.PLURAL_ROLES
    for namespace in namespaces:
        where = f" in namespace {namespace}" if namespace else ""
        yield paths.ours(names.PLURAL_TOKENS, namespace), f"{names.PLURAL_TOKENS}{where}"
        yield paths.ours(names.PLURAL_ACCOUNTS, namespace), f"{names.PLURAL_ACCOUNTS}.{names.GROUP}{where}"
        if secrets:
            yield paths.secrets(namespace), f"secrets{where}"


def _check(path: str) -> str:
    return f"watch {path}"
