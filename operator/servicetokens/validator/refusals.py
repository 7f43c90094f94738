"""Telling the log why a token was refused: to the stranger nobody does.

At most so many lines a second, since anybody can cause them; the metric counts all.
"""

from typing import Final

from servicetokens.authn.addresses import Network, Origin, find_client
from servicetokens.authn.decision import Rejected
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.logs import get_logger
from servicetokens.validator.failures import FailureLimit
from servicetokens.validator.metrics import Tally

_log = get_logger(__name__)

# What a person can still follow; an attack must not fill a disk.
_LINES_PER_SECOND: Final = 10
_TOO_MANY: Final = "TooManyFailures"


class Refusals:
    """Counts and logs what one listener refuses, and says when somebody fails too often."""

    def __init__(
        self, tally: Tally, clock: Clock, failures: FailureLimit, trusted: tuple[Network, ...]
    ) -> None:
        self._tally = tally
        self._clock = clock
        self._failures = failures
        self._trusted = trusted
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def note(self, rejected: Rejected, origin: Origin | None = None) -> bool:
        """Count a refused token, and log its name if it is known: then it was the right secret.

        Returns False when the client at *origin* has failed too often lately: it is to be told so (429), and nothing
        else. A caller that we know, and who asks for others, has no origin and no such limit.
        """
        if origin is not None and not self.has_room(origin):
            return False
        self._tally.reject(rejected.reason)
        if not self._may_log():
            return True
        record = rejected.record
        if record is None:
            _log.info("token refused", protocol=self._tally.protocol, reason=rejected.reason.value)
            return True
        _log.info(
            "token refused",
            protocol=self._tally.protocol,
            reason=rejected.reason.value,
            namespace=record.account.namespace,
            token=record.name,
            account=record.account.name,
        )
        return True

    def note_request(self, reason: str) -> None:
        """Count a request that presented nothing that could be judged. Not logged: it names nobody."""
        self._tally.reject(reason)

    def has_room(self, origin: Origin) -> bool:
        """Take note that a client failed to authenticate; False when it has done so too often lately."""
        if self._failures.take(find_client(origin, self._trusted) or origin.peer):
            return True
        self._tally.reject(_TOO_MANY)
        return False

    def _may_log(self) -> bool:
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
