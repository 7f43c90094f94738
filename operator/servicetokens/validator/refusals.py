"""Telling the log why a token was refused: to the stranger nobody does.

At most so many lines a second, since anybody can cause them; the metric counts all.
"""

from typing import Final

from servicetokens.authn.decision import Rejected
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.logs import get_logger
from servicetokens.validator.metrics import Tally

_log = get_logger(__name__)

# What a person can still follow; an attack must not fill a disk.
_LINES_PER_SECOND: Final = 10


class Refusals:
    """Counts and logs what one listener refuses."""

    def __init__(self, tally: Tally, clock: Clock) -> None:
        self._tally = tally
        self._clock = clock
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def note(self, rejected: Rejected) -> None:
        """Count a refused token, and log its name if it is known: then it was the right secret."""
        self._tally.reject(rejected.reason)
        if not self._has_room():
            return
        record = rejected.record
        if record is None:
            _log.info("token refused", protocol=self._tally.protocol, reason=rejected.reason.value)
            return
        _log.info(
            "token refused",
            protocol=self._tally.protocol,
            reason=rejected.reason.value,
            namespace=record.account.namespace,
            token=record.name,
            account=record.account.name,
        )

    def note_request(self, reason: str) -> None:
        """Count a request that presented nothing that could be judged. Not logged: it names nobody."""
        self._tally.reject(reason)

    def _has_room(self) -> bool:
        second = self._clock.now()
        if second != self._second:
            if self._left_out:
                _log.info("refusals not logged", protocol=self._tally.protocol, count=self._left_out)
            self._second, self._lines, self._left_out = second, 0, 0
        if self._lines >= _LINES_PER_SECOND:
            self._left_out += 1
            return False
        self._lines += 1
        return True
