"""Doubles for what validators say about themselves."""

from servicetokens.kube.object_key import Key
from servicetokens.lifecycle.snapshot import AccountFacts, Enforcement, TokenFacts


class NobodyAsked:
    """An `EnforcementSource` that has found out nothing yet."""

    def about(self, _key: Key, _of: TokenFacts | AccountFacts) -> Enforcement:
        """Know nothing."""
        return Enforcement()

    def forget(self, _key: Key) -> None:
        """Have nothing to forget."""
