"""TokenReview: kube-apiserver, and servers that delegate to it, ask which user a token belongs to.

The answer has the version of the request (kube-apiserver uses v1beta1 by default). The API server caches a rejection
for minutes, except when `status.error` is set. So it is set where the answer may change within a second, for a token
that may not have reached us yet.
"""

from http import HTTPStatus
from typing import Annotated, Final, Literal

import msgspec

from servicetokens.api.names import GROUP
from servicetokens.api.reasons import Reason
from servicetokens.authn.authenticator import Authenticator, common_audiences
from servicetokens.authn.decision import Accepted, AuthenticationRequest, Rejected, Unavailable
from servicetokens.authn.requests import ODD_TARGET, TARGET_TABLE
from servicetokens.validator.audit import RejectionLog
from servicetokens.validator.metrics import DecisionCounts
from servicetokens.validator.rendered import RenderedAnswers
from servicetokens.validator.request import FIRST_HEADER, Request
from servicetokens.validator.responses import RETRY_SOON, Answer, render_json, render_problem

PATH: Final = b"/authenticate"
USERNAME_PREFIX: Final = "servicetoken:"
GROUP_OF_ALL: Final = "servicetokens:accounts"
GROUP_OF_ROLE: Final = "servicetokens:role:"

_Version = Literal["authentication.k8s.io/v1", "authentication.k8s.io/v1beta1"]
# kube-apiserver asks for one or two audiences; services for one.
_Audience = Annotated[str, msgspec.Meta(max_length=1024)]
_Audiences = Annotated[tuple[_Audience, ...], msgspec.Meta(max_length=64)]

# An answer for longer audiences, in characters together, is not kept: a client can ask for 64 KiB of them, with every
# token. Those of kube-apiserver are the addresses of its issuers.
_MOST_KEPT: Final = 512

# Reasons that a watch event or a new key may remove within a second.
_NOT_YET: Final = frozenset({Reason.UNKNOWN, Reason.UNKNOWN_KEY})


class _Spec(msgspec.Struct, gc=False):
    token: str
    audiences: _Audiences | None = None

    def __repr__(self) -> str:
        return "_Spec(token=…)"


class _Review(msgspec.Struct, rename={"version": "apiVersion"}, gc=False):
    version: _Version
    kind: Literal["TokenReview"]
    spec: _Spec


_decoder: Final = msgspec.json.Decoder(_Review)

_ODD_TARGET: Final = render_problem(HTTPStatus.BAD_REQUEST, ODD_TARGET)
_NOT_FOUND: Final = render_problem(HTTPStatus.NOT_FOUND, "the only path here is /authenticate")
_WRONG_METHOD: Final = render_problem(
    HTTPStatus.METHOD_NOT_ALLOWED, "send a TokenReview by POST", (("Allow", "POST"),)
)
_COMPRESSED: Final = render_problem(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the TokenReview without Content-Encoding"
)
_NO_REVIEW: Final = render_json(
    HTTPStatus.BAD_REQUEST,
    {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "reason": "BadRequest",
        "code": 400,
        "message": "expected a TokenReview of authentication.k8s.io/v1 or v1beta1 with spec.token",
    },
)
_UNAVAILABLE: Final = render_problem(
    HTTPStatus.SERVICE_UNAVAILABLE, "the validator is not ready; see /readyz", (RETRY_SOON,)
)


class TokenReviewWebhook:
    """The handler of the listener `tokenreview`."""

    headers: tuple[bytes, ...] = (b"content-encoding",)
    reads_body = True

    def __init__(
        self, authenticator: Authenticator, counts: DecisionCounts, rejections: RejectionLog
    ) -> None:
        """Answer by *authenticator*."""
        self._authenticate = authenticator.authenticate
        self._counts = counts
        self._rejections = rejections
        self._answers = RenderedAnswers(_accept)

    def answer(self, request: Request) -> Answer:
        """See `Handler`."""
        # The same as `is_target`, without the call.
        if not request.target.translate(TARGET_TABLE).isascii():
            self._rejections.note_request("InvalidRequest")
            return _ODD_TARGET
        if request.target.partition(b"?")[0] != PATH:
            return _NOT_FOUND
        if request.method != b"POST":
            return _WRONG_METHOD
        if request.values[FIRST_HEADER] not in (None, b"identity"):
            return _COMPRESSED
        try:
            review = _decoder.decode(request.body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            # The error would quote the request.
            self._rejections.note_request("InvalidRequest")
            return _NO_REVIEW
        return self._review(review)

    def _review(self, review: _Review) -> Answer:
        audiences = review.spec.audiences or ()
        decision = self._authenticate(
            AuthenticationRequest(review.spec.token, audiences, protocol=self._counts.protocol)
        )
        if isinstance(decision, Accepted):
            self._counts.accepted += 1
            form = (review.version, audiences)
            if sum(map(len, audiences)) > _MOST_KEPT:
                return _accept(decision, form)
            return self._answers.get(decision, form)
        if isinstance(decision, Unavailable):
            self._counts.unavailable += 1
            return _UNAVAILABLE
        return self._reject(review.version, decision)

    def _reject(self, version: _Version, rejected: Rejected) -> Answer:
        self._rejections.note(rejected)
        return _REJECTIONS[version, rejected.reason in _NOT_YET]


def _accept(accepted: Accepted, form: tuple[_Version, tuple[str, ...]]) -> Answer:
    version, requested = form
    audiences = common_audiences(accepted, requested)
    account = accepted.record.account
    status = {
        "authenticated": True,
        "user": {
            "username": f"{USERNAME_PREFIX}{account.namespace}:{account.name}",
            # The uid of the account's object: one that is created again under the same name is another user.
            "uid": account.uid,
            "groups": [
                GROUP_OF_ALL,
                f"{GROUP_OF_ALL}:{account.namespace}",
                *(f"{GROUP_OF_ROLE}{role.name}" for role in accepted.roles),
            ],
            "extra": {
                f"{GROUP}/token-id": [accepted.token_id],
                f"{GROUP}/token-name": [accepted.record.name],
            },
        },
        # If it is left out, the API server assumes its own; it is left out when none was requested.
        **({"audiences": audiences} if audiences else {}),
    }
    return _render(version, status)


def _render(version: _Version, status: object) -> Answer:
    return render_json(HTTPStatus.OK, {"apiVersion": version, "kind": "TokenReview", "status": status})


def _rejection(version: _Version, *, may_change: bool) -> Answer:
    error = {"error": "the token is unknown"} if may_change else {}
    return _render(version, {"authenticated": False, **error})


_VERSIONS: Final[tuple[_Version, ...]] = ("authentication.k8s.io/v1", "authentication.k8s.io/v1beta1")
_REJECTIONS: Final = {
    (version, may_change): _rejection(version, may_change=may_change)
    for version in _VERSIONS
    for may_change in (False, True)
}
