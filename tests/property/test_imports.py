"""An imported value under everything that can happen to its token: what a validator says of it is what was promised.

The promise is computed here without knowledge of the code. The operator works on a fake API, a real index and
authenticator are fed with what it has written, and the Secret that the value came from says something else from the
first moment on.
"""

import base64
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from common.builders.facts import DAY, NOW
from common.builders.presenting import RING, Surroundings
from common.drivers.reconciling import ACCOUNT, TOKEN, UID, Cluster, Operator
from common.fakes.api import SECRETS, Place, answered
from property.search import SEARCH
from servicetokens.api.service_token import ServiceTokenStatus
from servicetokens.api.values import format_time
from servicetokens.authn.decision import Accepted
from servicetokens.tokens.imported import MAX_SECONDS, handle_of

VALUE: Final = "glpat-abcdefGHIJ0123456789"
PLANTED: Final = "glpat-plantedPLANTED012345"
LIFE: Final = 200 * DAY
# A new token, a lost Secret and a changed spec need a few passes; one more finds nothing to do.
MOST_PASSES: Final = 6


class ImportedLife(RuleBasedStateMachine):
    """Rules are what people, accidents and time do; the operator comes to rest after each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.around = Surroundings()
        self.cluster = Cluster()
        self.operator = Operator(self.cluster, self.around.clock)
        self.spec: dict[str, Any] = {}
        self.account: dict[str, Any] = {}
        self.account_number = 1
        #: When the value ends by what was promised; None once it is over.
        self.end: int | None = None
        self.imported_at = NOW

    @property
    def now(self) -> int:
        """The second that operator and validator agree on."""
        return self.around.clock.now()

    @property
    def status(self) -> ServiceTokenStatus:
        """What the operator has written."""
        return ServiceTokenStatus.read(self.operator.status())

    @initialize(seconds=st.integers(1, 90 * DAY))
    def begin(self, seconds: int) -> None:
        """A token is created with its account, and imports a value; then the Secret says something else."""
        self.end = self.now + seconds
        self.spec = {"expiresAfter": f"{LIFE}s"} | self._import(self.end)
        self._put_source(VALUE)
        self.settle()
        self._put_source(PLANTED)

    def _import(self, until: int) -> dict[str, Any]:
        return {"import": {"secretRef": {"name": "legacy"}, "until": format_time(until)}}

    def _put_source(self, value: str) -> None:
        data = {"token": base64.b64encode(value.encode()).decode()}
        self.cluster.put((SECRETS, "team-a", "legacy"), {"type": "Opaque", "data": data})

    def settle(self) -> None:
        """Let the operator come to rest, and the validator see what it wrote."""
        self._apply(TOKEN, {"accountRef": {"name": "ci"}, **self.spec}, UID)
        self._apply(ACCOUNT, self.account, f"a-{self.account_number}")
        answered(self.operator.come_to_rest(MOST_PASSES))
        status = self.operator.status()
        self.around.put_account(uid=f"a-{self.account_number}", **self.account)
        self.around.put_token(
            account_uid=status.get("accountUID", ""), credentials=status.get("credentials", []), **self.spec
        )
        if self.end is not None and self.end <= self.now:
            self.end = None

    def _apply(self, place: Place, spec: Mapping[str, Any], uid: str) -> None:
        stored = self.cluster.objects[place]
        if (stored["spec"], stored["metadata"]["uid"]) != (spec, uid):
            changed = {"uid": uid, "generation": stored["metadata"]["generation"] + 1}
            self.cluster.put(
                place, {**stored, "metadata": stored["metadata"] | changed, "spec": deepcopy(spec)}
            )

    # Rules.

    @rule(seconds=st.integers(1, 20 * DAY))
    def time_passes(self, seconds: int) -> None:
        """Days."""
        self._wait(seconds)

    @precondition(lambda self: self.end is not None)
    @rule(offset=st.integers(-1, 1))
    def the_cut_over_comes(self, offset: int) -> None:
        """Exactly, one second early, or one late."""
        if self.end is not None:
            self._wait(max(0, self.end + offset - self.now))

    def _wait(self, seconds: int) -> None:
        self.around.clock.advance(seconds)
        self.around.confirm()
        self.settle()

    @precondition(lambda self: "import" in self.spec)
    @rule(seconds=st.integers(-5, 100 * DAY))
    def the_cut_over_is_moved(self, seconds: int) -> None:
        """Earlier or later, but never beyond ninety days, and what is over stays over."""
        until = self.now + seconds
        self.spec |= self._import(until)
        self.end = None if self.end is None else min(until, self.imported_at + MAX_SECONDS)
        self.settle()

    @precondition(lambda self: "import" in self.spec)
    @rule()
    def the_wish_is_taken_back(self) -> None:
        """Permanently: the API server rejects every attempt to restore it."""
        self.spec.pop("import")
        self.end = None
        self.settle()

    @rule(number=st.sampled_from("abcd"), overlap=st.sampled_from(["0s", "1h"]), lost=st.booleans())
    def a_rotation_is_asked_for(self, number: str, overlap: str, lost: bool) -> None:
        """Which ends it, unless that id was answered before."""
        before = self.status.rotation_id
        self.spec["rotation"] = {"id": number, "overlap": overlap}
        if lost:
            self.operator.lose_secret()
        if before != number:
            self.end = None
        self.settle()

    @rule()
    def the_secret_is_lost(self) -> None:
        """A fresh token is minted; the value stays."""
        self.operator.lose_secret()
        self.settle()

    @rule(state=st.sampled_from(["Revoked", "Active"]))
    def it_is_revoked_or_restored(self, state: str) -> None:
        """Both values."""
        self.spec["state"] = state
        self.settle()

    @rule(state=st.sampled_from(["Suspended", "Active"]))
    def the_account_is_suspended_or_not(self, state: str) -> None:
        """All of its tokens."""
        self.account["state"] = state
        self.settle()

    @rule()
    def everything_earlier_is_cut(self) -> None:
        """By the account's kill switch."""
        self.account["tokensNotBeforeTime"] = format_time(self.now)
        if self.imported_at <= self.now:
            self.end = None
        self.settle()

    @rule()
    def the_account_is_replaced(self) -> None:
        """By another one of its name."""
        self.account_number += 1
        self.end = None
        self.settle()

    # The Secret proves that there was an import. While it waits to be made again, a token whose status is wiped is new.
    @precondition(lambda self: self.cluster.secret is not None)
    @rule(how=st.sampled_from(["extended", "wiped", "ours removed", "emptied"]))
    def status_is_edited(self, how: str) -> None:
        """To have it live longer, or to have the Secret read once more. It does not depend on the token next to it."""
        status = self.status
        kept = [one for one in status.credentials if how != "ours removed" or one.id.startswith("imp-")]
        if how == "extended":
            kept = [
                one.model_copy(update={"expiration_time": self.now + LIFE})
                if one.id.startswith("imp-")
                else one
                for one in kept
            ]
        elif how != "ours removed":
            self.end = None
        changes: dict[str, Any] = {"credentials": () if how == "emptied" else tuple(kept)}
        status = ServiceTokenStatus() if how == "wiped" else status.model_copy(update=changes)
        self.cluster.put(TOKEN, {**self.cluster.objects[TOKEN], "status": status.to_wire()})
        self.settle()

    # Invariants.

    @invariant()
    def it_is_accepted_exactly_as_long_as_was_promised(self) -> None:
        """Not a second longer, and not one shorter."""
        is_let_in = self.spec.get("state") != "Revoked" and self.account.get("state") != "Suspended"
        accepted = isinstance(self.around.present(VALUE), Accepted)
        assert accepted is (self.end is not None and self.now < self.end and is_let_in)

    @invariant()
    def what_the_secret_says_now_is_never_accepted(self) -> None:
        """Nor is it anywhere on status."""
        assert not isinstance(self.around.present(PLANTED), Accepted)
        handle = handle_of(PLANTED, RING, "k1")
        assert all(one.id != handle for one in self.status.credentials)

    @invariant()
    def the_operator_forgets_what_is_over(self) -> None:
        """And never more than two credentials are live."""
        credentials = self.status.credentials
        assert len(credentials) <= 2
        assert any(one.id.startswith("imp-") for one in credentials) is (self.end is not None)


def test_an_imported_value_is_accepted_as_promised() -> None:
    """In every order that Hypothesis can think of."""
    # A fifth of what the whole life is given: there is less to go wrong, and a pass asks two processes.
    search = settings(SEARCH, max_examples=SEARCH.max_examples // 5)
    run_state_machine_as_test(ImportedLife, settings=search)
