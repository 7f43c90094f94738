"""What is reported of a plan that was executed: a metric, lines in the log, and k8s Events."""

from collections.abc import Callable
from typing import Final

from servicetokens.api import names
from servicetokens.controllers.reconcile.memory import Memories
from servicetokens.controllers.reconcile.probes import Probes
from servicetokens.kube.errors import Forbidden, KubeError
from servicetokens.kube.events import EventSender, Regarding
from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.actions import Event, MintCause
from servicetokens.lifecycle.importing import find_imported
from servicetokens.lifecycle.snapshot import TokenFacts
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.logs import get_logger

_log = get_logger(__name__)

TERMINATING: Final = "NamespaceTerminating"
"""The API server's cause when the namespace is being deleted: final, and no error."""


class Reports:
    """Reports on tokens. No token needs any of it to work."""

    def __init__(
        self,
        memories: Memories,
        events: EventSender,
        clock: Clock,
        minted: Callable[[MintCause], object] = lambda _: None,
    ) -> None:
        """Call *minted* for each token that was minted and delivered, with the cause."""
        self._memories = memories
        self._events = events
        self._clock = clock
        self._probes = Probes(clock)
        self._minted = minted
        # The last error by namespace, where the permission is missing: it is logged once, not for each Event.
        self._without_events: dict[str, str] = {}

    def find_missing_permission(self) -> str | None:
        """Return the API server's message if the permission to record Events is missing, or None."""
        return next(iter(self._without_events.values()), None)

    def arrived(self, token: TokenFacts, cause: MintCause) -> None:
        """Count and log a token that was minted and delivered."""
        self._minted(cause)
        _log.info(
            "token minted",
            namespace=token.namespace,
            name=token.name,
            token_id=token.status.token_id,
            serial=token.status.serial,
            cause=cause.value,
        )
        taken = find_imported(token.status.credentials)
        if taken is not None and cause is MintCause.FIRST:
            _log.info(
                "value imported",
                namespace=token.namespace,
                name=token.name,
                token_id=taken.id,
                serial=taken.serial,
            )

    async def send(self, key: Key, token: TokenFacts, events: tuple[Event, ...]) -> None:
        """Send *events* about *token*. One that cannot be recorded is logged: status says the same, and stays."""
        if not events:
            return
        async with self._probes.turn(token.namespace) as probe:
            if not probe.found_end:
                probe.found_end = not await self._send(token, events)
        if probe.found_end:
            self._memories.namespace_ends(key, token.uid, self._clock.now())

    async def _send(self, token: TokenFacts, events: tuple[Event, ...]) -> bool:
        """Send *events*; return whether that is of any use: not in a namespace that is being deleted."""
        regarding = Regarding(
            kind=names.KIND_TOKEN,
            namespace=token.namespace,
            name=token.name,
            uid=token.uid,
            resource_version=token.resource_version,
        )
        for event in events:
            try:
                await self._events.send(regarding, event.type, event.reason, event.note)
            except KubeError as error:
                if TERMINATING in error.causes:
                    return False
                self._failed(token, event, error)
            else:
                self._without_events.pop(token.namespace, None)
        return True

    def _failed(self, token: TokenFacts, event: Event, error: KubeError) -> None:
        is_news = True
        if isinstance(error, Forbidden) and error.lacks_permission:
            is_news = token.namespace not in self._without_events
            self._without_events[token.namespace] = error.message
        log = _log.warning if is_news else _log.debug
        log(
            "failed to record an Event",
            namespace=token.namespace,
            name=token.name,
            event_reason=event.reason,
            error=error.message,
        )
