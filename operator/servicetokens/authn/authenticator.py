"""The decision about a request: what objects, keys and time say about its token, and then what depends on the request.

index current → evaluation of the token (`evaluation`) → audience → client address → HTTP rules → required roles
"""

from collections.abc import Sequence
from typing import Protocol

from servicetokens.api.reasons import Reason
from servicetokens.authn.addresses import Network, find_client, is_in
from servicetokens.authn.decision import Accepted, AuthenticationRequest, Decision, Rejected, Unavailable
from servicetokens.authn.decision_cache import DecisionCache
from servicetokens.authn.evaluation import Evaluation, TokenEvaluator
from servicetokens.authn.index import Index
from servicetokens.authn.roles import allowing_roles
from servicetokens.runtime.clock import Clock


class Authenticator(Protocol):
    """Decides about requests."""

    def authenticate(self, request: AuthenticationRequest) -> Decision:
        """Decide whether the token is accepted for this request."""
        ...

    def recognize(self, token: bytes) -> Accepted | None:
        """Return the decision about *token* if it was made before, still holds, and does not depend on the request.

        For the listeners' hot path: None is no decision, and `authenticate` has to be called.
        """
        ...


class TokenAuthenticator:
    """Decides about requests by the index and the clock."""

    def __init__(
        self,
        evaluations: DecisionCache,
        index: Index,
        clock: Clock,
        *,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        """Work in memory only: no call here blocks. The `X-Forwarded-For` of *trusted_proxies* is believed."""
        self._evaluate = evaluations.evaluate
        self._find = evaluations.find
        self._index = index
        self._clock = clock
        self._trusted = tuple(trusted_proxies)

    def authenticate(self, request: AuthenticationRequest) -> Decision:
        """See `Authenticator`."""
        index = self._index
        keys = index.keys
        if keys is None or self._clock.monotonic() >= index.usable_until:
            return Unavailable(index.problems(self._clock.monotonic()))
        found = self._evaluate(request.token, keys)
        if not isinstance(found, Evaluation):
            return found
        if found.unconditional and not request.required_roles:
            return found.accepted
        return self._check_request(found, request)

    def recognize(self, token: bytes) -> Accepted | None:
        """See `Authenticator`."""
        index = self._index
        keys = index.keys
        if keys is None or self._clock.monotonic() >= index.usable_until:
            return None
        found = self._find(token, keys)
        return found.accepted if found is not None and found.unconditional else None

    def _check_request(self, evaluation: Evaluation, request: AuthenticationRequest) -> Accepted | Rejected:
        """Decide by the request: its audience, client address and required roles."""
        accepted = evaluation.accepted
        record, restrictions, token_id = accepted.record, accepted.record.restrictions, accepted.token_id
        if (
            restrictions.audiences
            and not request.asker_checks_audience
            and not common_audiences(accepted, _requested_audiences(request))
        ):
            return Rejected(Reason.AUDIENCE, record, token_id)
        if restrictions.networks:
            client = None if request.origin is None else find_client(request.origin, self._trusted)
            if client is None:
                return Rejected(Reason.NO_CLIENT_ADDRESS, record, token_id)
            if not is_in(client, restrictions.networks):
                return Rejected(Reason.CLIENT_ADDRESS, record, token_id)
        if evaluation.restricted and request.original is not None:
            roles = allowing_roles(accepted.roles, request.original())
            if not roles:
                reason = Reason.REQUEST_NOT_ALLOWED if accepted.roles else Reason.ROLE_MISSING
                return Rejected(reason, record, token_id)
            accepted = evaluation.narrow(roles)
        if request.required_roles:
            held = {role.name for role in accepted.roles}
            if not held.issuperset(request.required_roles):
                return Rejected(Reason.ROLE_MISSING, record, token_id)
        return accepted


def make_authenticator(
    index: Index,
    clock: Clock,
    *,
    prefix: str,
    trusted_proxies: Sequence[Network] = (),
    allow_without_roles: bool = False,
) -> TokenAuthenticator:
    """Return an authenticator that keeps evaluations; see `TokenEvaluator` and `TokenAuthenticator`."""
    evaluator = TokenEvaluator(index, clock, prefix=prefix, allow_without_roles=allow_without_roles)
    evaluations = DecisionCache(evaluator, index, clock)
    return TokenAuthenticator(evaluations, index, clock, trusted_proxies=trusted_proxies)


def common_audiences(accepted: Accepted, requested: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the *requested* audiences for which the token is accepted.

    A token without audiences is accepted for all; one with audiences is accepted for none if none is requested.
    """
    audiences = accepted.record.restrictions.audiences
    return tuple(name for name in requested if name in audiences) if audiences else requested


def _requested_audiences(request: AuthenticationRequest) -> tuple[str, ...]:
    """Return the audiences of a request; of one for an HTTP service, the names under which a token may mean it."""
    if request.audiences is not None:
        return request.audiences
    original = None if request.original is None else request.original()
    if original is None or not original.host:
        return ()
    return (original.host, f"https://{original.host}", f"http://{original.host}")
