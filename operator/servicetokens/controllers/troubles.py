"""What keeps the operator from doing its work, by cause: shown in `/readyz`, logged when it begins and ends."""

from servicetokens.runtime.logs import get_logger

_log = get_logger(__name__)


class Troubles:
    """At most one sentence per cause."""

    def __init__(self) -> None:
        self._sentences: dict[str, str] = {}

    def found(self, cause: str, sentence: str) -> None:
        """Note that *cause* is in the way. Said again with the same words, it is not logged again."""
        if self._sentences.get(cause) != sentence:
            self._sentences[cause] = sentence
            _log.warning("not ready", cause=cause, reason=sentence)

    def over(self, *causes: str) -> None:
        """Note that none of *causes* is in the way any more."""
        for cause in causes:
            if self._sentences.pop(cause, None) is not None:
                _log.info("no longer in the way", cause=cause)

    @property
    def sentences(self) -> list[str]:
        """All of them."""
        return list(self._sentences.values())
