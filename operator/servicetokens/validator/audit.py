"""The audit trail: which tokens were accepted, and which were rejected and why. Clients never learn the reason.

One line for every rejection of a token that exists, whatever else its client has failed at; any client can cause the
other rejections, so only a limited number of them per second is logged. Lines that were left out are counted, and the
count is logged within a second or two. AcceptanceLog are sampled: about one line a minute for each token in use. Lines
name public ids, never a token. The metrics count everything.
"""

import logging
from typing import Final

from servicetokens.authn.addresses import Address, Network, Origin, find_client
from servicetokens.authn.decision import Accepted, AuthenticationRequest, Rejected
from servicetokens.runtime.clock import Clock
from servicetokens.runtime.logs import get_logger
from servicetokens.validator.failures import FailureLimit
from servicetokens.validator.metrics import DecisionCounts

_log = get_logger(__name__)

# A rate that a person can still follow; an attack must not fill a disk.
_STRANGERS_PER_SECOND: Final = 10
_ACCEPTED_PER_SECOND: Final = 10
# The holder of a valid token can present it at any rate, too: this is for a client in a loop.
_KNOWN_PER_SECOND: Final = 100
_EXPLAINED_PER_SECOND: Final = 10
# Longer paths are unreadable in a log.
_LONGEST_SHOWN: Final = 200
_TOO_MANY: Final = "TooManyFailures"


class Lines:
    """A limit of log lines per second; *about* names them in the count of those that were left out."""

    def __init__(self, clock: Clock, per_second: int, about: str) -> None:
        self._clock = clock
        self._per_second = per_second
        self._about = about
        self._second = 0
        self._used = 0
        self._left_out = 0

    def has_room(self) -> bool:
        """Use up one line; False when the limit is reached."""
        self._look_at_clock()
        if self._used >= self._per_second:
            self._left_out += 1
            return False
        self._used += 1
        return True

    def leave_out(self) -> None:
        """Count a line that is not written, whether or not there is room for it."""
        self._look_at_clock()
        self._left_out += 1

    def report_left_out(self) -> None:
        """Log how many lines were left out since the last call, if any."""
        if self._left_out:
            _log.info("lines left out", count=self._left_out, about=self._about)
            self._left_out = 0

    def _look_at_clock(self) -> None:
        """Report what was left out, and begin again, in each second."""
        second = self._clock.now()
        if second != self._second:
            self.report_left_out()
            self._second, self._used = second, 0


class AcceptanceLog:
    """Logs acceptances, for all listeners."""

    def __init__(self, clock: Clock, trusted: tuple[Network, ...]) -> None:
        self._trusted = trusted
        self._lines = Lines(clock, _ACCEPTED_PER_SECOND, "accepted tokens")

    def report_left_out(self) -> None:
        """See `Lines`."""
        self._lines.report_left_out()

    def note(self, accepted: Accepted, presented: AuthenticationRequest) -> None:
        """Log that a token was accepted."""
        if not self._lines.has_room():
            return
        record = accepted.record
        client = find_client(presented.origin, self._trusted) if presented.origin else None
        _log.info(
            "token accepted",
            protocol=presented.protocol,
            token_id=accepted.token_id,
            namespace=record.account.namespace,
            token=record.name,
            account=record.account.name,
            roles=",".join(role.name for role in accepted.roles),
            client=_text_of(client),
        )


class RejectionLog:
    """Counts and logs the rejections of one listener, and reports clients that fail too often."""

    def __init__(
        self, counts: DecisionCounts, clock: Clock, failures: FailureLimit, trusted: tuple[Network, ...]
    ) -> None:
        self._counts = counts
        self._failures = failures
        self._trusted = trusted
        self._strangers = Lines(clock, _STRANGERS_PER_SECOND, "unknown tokens")
        self._known = Lines(clock, _KNOWN_PER_SECOND, "tokens that exist")
        self._explained = Lines(clock, _EXPLAINED_PER_SECOND, "explanations")

    def report_left_out(self) -> None:
        """See `Lines`."""
        self._strangers.report_left_out()
        self._known.report_left_out()
        self._explained.report_left_out()

    def note(self, rejected: Rejected, origin: Origin | None = None, *, is_failure: bool = True) -> bool:
        """Count a rejected token, and log its name if it is known: then the secret was right.

        Returns False when the client at *origin* has failed too often recently: the answer must be 429. Without
        *is_failure* the token was valid, but not for this request, which has no such limit; nor has a caller that
        introspects other tokens, which has no origin.
        """
        is_limited = is_failure and origin is not None and not self.has_room(origin)
        if not is_limited:
            self._counts.reject(rejected.reason)
        # Failing often must not keep the rejection of an existing token out of the log; of others there is a count: a
        # credential that has ended may be among them.
        is_known = rejected.record is not None
        if is_limited and not is_known:
            self._strangers.leave_out()
        elif (self._known if is_known else self._strangers).has_room():
            client = self._client(origin) if origin is not None else None
            _log.info(
                "token rejected",
                protocol=self._counts.protocol,
                reason=rejected.reason.value,
                **_names_of(rejected),
                client=_text_of(client),
            )
        return not is_limited

    def note_request(self, reason: str) -> None:
        """Count a request without a credential that could be checked. Not logged: it names no token."""
        self._counts.reject(reason)

    def explain(self, event: str, **facts: str) -> None:
        """Log at debug level why a request was rejected, for people who configure a proxy.

        *facts* may be text from a client, and are shortened.
        """
        if self.explains and self._explained.has_room():
            shown = {name: value[:_LONGEST_SHOWN] for name, value in facts.items()}
            _log.debug(event, protocol=self._counts.protocol, **shown)

    @property
    def explains(self) -> bool:
        """Whether debug lines are written at all."""
        return logging.getLogger(__name__).isEnabledFor(logging.DEBUG)

    def has_room(self, origin: Origin) -> bool:
        """Count a failed authentication of a client; False when it has failed too often recently."""
        if self._failures.take(self._client(origin)):
            return True
        self._counts.reject(_TOO_MANY)
        return False

    def _client(self, origin: Origin) -> Address | None:
        return find_client(origin, self._trusted) or origin.peer


def _names_of(rejected: Rejected) -> dict[str, str]:
    """Return the names of the token's object, if known. For an ended credential the secret was not checked."""
    record, ended = rejected.record, rejected.ended
    if record is not None:
        namespace, name, account = record.account.namespace, record.name, record.account.name
    elif ended is not None:
        namespace, name, account = ended.namespace, ended.name, ended.account
    else:
        return {}
    return {"token_id": rejected.token_id, "namespace": namespace, "token": name, "account": account}


def _text_of(address: Address | None) -> str:
    return "" if address is None else str(address)
