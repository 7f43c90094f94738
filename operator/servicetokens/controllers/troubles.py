"""What keeps the operator from doing its work, by cause: shown in `/readyz`, logged when it begins and ends."""

from typing import Final

from servicetokens.runtime.logs import get_logger

_log = get_logger(__name__)

# While one cause lasts, so many different sentences about it are logged. They may name an object each.
_MAX_SAID: Final = 10


class Troubles:
    """At most one sentence per cause, the last one."""

    def __init__(self) -> None:
        self._sentences: dict[str, str] = {}
        self._said: dict[str, set[str]] = {}

    def found(self, cause: str, sentence: str) -> None:
        """Note that *cause* is in the way. No sentence is logged twice until it is `over`."""
        self._sentences[cause] = sentence
        said = self._said.setdefault(cause, set())
        if sentence not in said and len(said) < _MAX_SAID:
            said.add(sentence)
            _log.warning("not ready", cause=cause, reason=sentence)

    def over(self, *causes: str) -> None:
        """Note that none of *causes* is in the way any more."""
        for cause in causes:
            if self._sentences.pop(cause, None) is not None:
                del self._said[cause]
                _log.info("no longer in the way", cause=cause)

    @property
    def sentences(self) -> list[str]:
        """All of them."""
        return list(self._sentences.values())
