"""Readiness of a process: named checks that are set and cleared, logged on transition, and listed by `/readyz`."""

from typing import Final

from servicetokens.runtime.logs import get_logger

_log = get_logger(__name__)

# While one check fails, at most this many different sentences about it are logged. Each may name an object.
_MAX_LOGGED: Final = 10


class Readiness:
    """The checks that fail at present, with one sentence each, the last one.

    A check that is not essential is shown by `/readyz` and does not make the process unready: another replica would not
    do better.
    """

    def __init__(self) -> None:
        self._essential: dict[str, str] = {}
        self._other: dict[str, str] = {}
        self._logged: dict[str, set[str]] = {}

    def expect(self, check: str, sentence: str) -> None:
        """Let *check* fail until it is cleared, without a log line: a start has to wait for it."""
        self._essential[check] = sentence

    def set(self, check: str, sentence: str, *, essential: bool = True) -> None:
        """Let *check* fail because of *sentence*. No sentence is logged twice until the check is cleared."""
        (self._essential if essential else self._other)[check] = sentence
        logged = self._logged.setdefault(check, set())
        if sentence not in logged and len(logged) < _MAX_LOGGED:
            logged.add(sentence)
            _log.warning("not ready" if essential else "degraded", check=check, reason=sentence)

    def clear(self, *checks: str) -> None:
        """Let *checks* pass."""
        for check in checks:
            self._essential.pop(check, None)
            self._other.pop(check, None)
            if self._logged.pop(check, None) is not None:
                _log.info("recovered", check=check)

    @property
    def missing(self) -> list[str]:
        """Why the process is not ready, a sentence for each check that fails; empty when it is."""
        return list(self._essential.values())

    @property
    def degraded(self) -> list[str]:
        """What does not work although the process is ready, a sentence each."""
        return list(self._other.values())
