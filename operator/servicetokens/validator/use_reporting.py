"""Which tokens are in use: reported about once a minute for each, at next to no cost for the requests in between."""

from collections import OrderedDict
from collections.abc import Callable
from math import inf
from typing import Final

from servicetokens.authn.authenticator import Authenticator
from servicetokens.authn.decision import Accepted, AuthenticationRequest, Decision
from servicetokens.runtime.clock import Clock

# `lastUsedTime` has a resolution of an hour, and a line a minute for each token is what a person can still follow.
_PERIOD_SECONDS: Final = 60.0
# 200 bytes each, as many as decisions are kept. What was forgotten is only reported once more.
_MOST_REMEMBERED: Final = 16384


class UseReporter:
    """Decides like the authenticator that it wraps, and reports tokens that were accepted."""

    def __init__(
        self,
        authenticator: Authenticator,
        clock: Clock,
        report: Callable[[Accepted, AuthenticationRequest], None],
    ) -> None:
        """*report* must return immediately."""
        self._authenticate = authenticator.authenticate
        self._recognize = authenticator.recognize
        self._clock = clock
        self._report = report
        self._due: OrderedDict[str, float] = OrderedDict()

    def authenticate(self, request: AuthenticationRequest) -> Decision:
        """See `Authenticator`."""
        decision = self._authenticate(request)
        if isinstance(decision, Accepted):
            now = self._clock.monotonic()
            if self._due.get(decision.token_id, now) <= now:
                self._remember(decision.token_id, now + _PERIOD_SECONDS)
                self._report(decision, request)
        return decision

    def recognize(self, token: bytes) -> Accepted | None:
        """See `Authenticator`; None also when a use has to be reported."""
        accepted = self._recognize(token)
        if accepted is None or self._due.get(accepted.token_id, -inf) <= self._clock.monotonic():
            return None
        return accepted

    def _remember(self, token_id: str, due: float) -> None:
        self._due[token_id] = due
        self._due.move_to_end(token_id)
        if len(self._due) > _MOST_REMEMBERED:
            self._due.popitem(last=False)
