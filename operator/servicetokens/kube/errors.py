"""Failures of requests to the API server, in as few types as callers can act on.

    KubeError                 the server answered with a failure, or did not answer
    ├── ApiUnavailable        no answer, a time-out, or 5xx: try again later; a write may have been applied
    ├── TooManyRequests       429: try again, not before `retry_after`
    ├── Unauthorized          401: our credentials are not accepted
    ├── Forbidden             403: a permission is missing, a quota is full, a namespace terminates (see `causes`); or
    │                         a webhook or policy denied the request, with any code
    ├── NotFound              404: no such object, or no such kind
    ├── Conflict              409: conflict: another client wrote first, or a precondition failed
    │   └── AlreadyExists     409 to a creation: the name is taken
    ├── Gone                  410: the resourceVersion or the continue token is too old: list again
    └── Unprocessable         every other 4xx: the server will never accept this request
    NotConfigured             there is no usable kubeconfig or in-cluster configuration

This module is the only translator of HTTP answers into exceptions. A message is the server's own sentence, cut to a
bounded length. We never quote request bodies; the server may, so code that writes a Secret calls `hide`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from servicetokens.runtime.redaction import redact

# Long enough for the server's errors about several fields, short enough for a condition or a log line.
_MAX_MESSAGE: Final = 1000
_MAX_CAUSES: Final = 16


class NotConfigured(Exception):
    """There is no usable configuration for reaching an API server. The message is a sentence for people."""


class KubeError(Exception):
    """A request to the API server failed.

    Attributes:
        status: the HTTP status, or 0 when there was no answer.
        reason: the server's CamelCase word, such as `AlreadyExists`; empty when there is none.
        message: a bounded sentence.
        causes: the reasons of the single causes, such as `NamespaceTerminating`.
        retry_after: seconds that the server asks to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        causes: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.message = message[:_MAX_MESSAGE]
        self.causes = causes
        self.retry_after = retry_after
        super().__init__(self.message)

    def hide(self, secrets: Iterable[bytes]) -> None:
        """Remove every piece of *secrets* from the message, in any form in which the server has quoted it."""
        self.message = redact(self.message, secrets)
        self.args = (self.message,)


class ApiUnavailable(KubeError):
    """No usable answer: connection refused or broken, a time-out, or a 5xx.

    `may_have_been_applied` is False only where the request certainly never left: after anything else, a write
    must be looked up before it is repeated. `timed_out` says that it left, and no answer came in time.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        causes: tuple[str, ...] = (),
        retry_after: float | None = None,
        may_have_been_applied: bool = True,
        timed_out: bool = False,
    ) -> None:
        super().__init__(message, status=status, reason=reason, causes=causes, retry_after=retry_after)
        self.may_have_been_applied = may_have_been_applied
        self.timed_out = timed_out

    @property
    def is_of_a_webhook(self) -> bool:
        """Return whether an admission webhook failed: that concerns the objects it is called for, and no others."""
        return _WEBHOOK in self.message


# `ErrCallingWebhook` in the API server's admission plugin, which becomes a 500.
_WEBHOOK: Final = "failed calling webhook"


class TooManyRequests(KubeError):
    """The server limits its load; `retry_after` says how long to wait."""


class Unauthorized(KubeError):
    """The server rejects our credentials, also after they were read again."""


# The API server's message when no authorizer allows a request (`forbiddenMessage` in its responsewriters package),
# after the name of the object. Admission (a quota, a webhook, a terminating namespace) answers 403 as well, but its
# messages begin with other words; the rest of them may quote anything.
_UNAUTHORIZED: Final = re.compile(
    r"(?:[^:]* is forbidden: |forbidden: )?User \"[^\n]*\" cannot [a-z]+ (?:resource|path) \""
)
# How a message begins when admission denies a request. A webhook may deny with any code from 400 on, and a policy with
# the code of its `reason`, so the code does not mean what it means elsewhere.
_DENIED: Final = re.compile(
    r"admission webhook \"[^\"]*\" denied the request"
    r"|[^:]* is forbidden: ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request"
)


class Forbidden(KubeError):
    """The server denies the request: a permission is missing, or admission rejects this request."""

    @property
    def lacks_permission(self) -> bool:
        """Return whether a permission is missing; the message names it."""
        return _UNAUTHORIZED.match(self.message) is not None


class NotFound(KubeError):
    """The object, or the kind itself (its CRD), does not exist."""

    @property
    def names_object(self) -> bool:
        """Return whether it is the object that does not exist: the API server quotes its name then."""
        return self.message.endswith('" not found')


class Conflict(KubeError):
    """The object changed since it was read."""


class AlreadyExists(Conflict):
    """An object of that name exists already."""


class HistoryWentBack(KubeError):
    """The API server's history is shorter than what was seen of it, as after a restore of etcd."""


class Gone(KubeError):
    """The position in the history from which we wanted to continue is no longer available."""


class Unprocessable(KubeError):
    """The server understood the request and will never accept it as it is."""


class _Cause(msgspec.Struct, gc=False):
    reason: str = ""


class _Details(msgspec.Struct, rename="camel", gc=False):
    causes: list[_Cause] = []
    retry_after_seconds: float | None = None


class Status(msgspec.Struct, gc=False):
    """The fields of a `v1/Status` object, which the server sends for every failure, that are used."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


_decoder: Final = msgspec.json.Decoder(Status)

_BY_STATUS: Final[Mapping[int, type[KubeError]]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    429: TooManyRequests,
}
_FIRST_SERVER_ERROR: Final = 500


def from_answer(status: int, body: bytes, retry_after: str | None = None) -> KubeError:
    """Return the exception for an HTTP answer that is not a success.

    *retry_after* is the header of that name; only its form in seconds is understood, which is the one the API
    server uses.
    """
    return from_status(_read(status, body), status, _seconds(retry_after))


def from_status(answer: Status, status: int, retry_after: float | None = None) -> KubeError:
    """Return the exception for a `v1/Status` object, also one that arrived inside a watch."""
    details = answer.details or _Details()
    kind = ApiUnavailable if status >= _FIRST_SERVER_ERROR else _BY_STATUS.get(status, Unprocessable)
    if kind is Conflict and answer.reason == AlreadyExists.__name__:
        kind = AlreadyExists
    if kind is not TooManyRequests and _DENIED.match(answer.message):
        kind = Forbidden
    return kind(
        answer.message or f"the API server answered {status}",
        status=status,
        reason=answer.reason,
        causes=tuple(cause.reason for cause in details.causes[:_MAX_CAUSES]),
        retry_after=details.retry_after_seconds if retry_after is None else retry_after,
    )


def _read(status: int, body: bytes) -> Status:
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError:
        # A proxy in between, or a server that is too busy for JSON, answers in plain text.
        text = " ".join(body[:_MAX_MESSAGE].decode("utf-8", "replace").split())
        return Status(message=f"the API server answered {status}: {text}" if text else "")


def _seconds(header: str | None) -> float | None:
    if header is None or not (header.isascii() and header.isdigit()):
        return None
    return float(header[:6])
