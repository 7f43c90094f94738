"""Whatever order lists, changes and deletions come in, what is known is what is there."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from common.builders.presenting import Surroundings
from servicetokens.kube.watch import Identity
from servicetokens.tokens.format import Token

UIDS = ("u-1", "u-2", "u-3")


@dataclass
class Truth:
    """What the API server has: the token of each object, and which are revoked."""

    tokens: dict[str, Token] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)


class Feeds(RuleBasedStateMachine):
    """Objects come, change and go; the watch may miss any of it, until the next list."""

    def __init__(self) -> None:
        super().__init__()
        self.around = Surroundings()
        self.around.remove_token()
        self.truth = Truth()
        self.everything = [self.around.token]
        self.behind = False

    @rule(uid=st.sampled_from(UIDS), revoked=st.booleans(), anew=st.booleans(), seen=st.booleans())
    def change(self, uid: str, revoked: bool, anew: bool, seen: bool) -> None:
        """An object is created or changed, and the watch reports it, perhaps twice; or it does not."""
        if anew or uid not in self.truth.tokens:
            self.truth.tokens[uid] = self.around.mint()
            self.everything.append(self.truth.tokens[uid])
        self.truth.revoked.discard(uid)
        if revoked:
            self.truth.revoked.add(uid)
        if seen:
            self._tell(uid)
            self._tell(uid)
        else:
            self.behind = True

    @rule(uid=st.sampled_from(UIDS), seen=st.booleans())
    def delete(self, uid: str, seen: bool) -> None:
        """An object is deleted."""
        self.truth.tokens.pop(uid, None)
        if seen:
            self.around.tokens.remove(Identity(uid, uid, "team-a"))
        else:
            self.behind = True

    @rule(uid=st.sampled_from(UIDS))
    def garble(self, uid: str) -> None:
        """An object that cannot be read, until it is listed again."""
        self.around.tokens.put_unreadable(Identity(uid, uid, "team-a"))
        self.behind = True

    @rule(again=st.booleans())
    def list_everything(self, again: bool) -> None:
        """A list, after one that broke off."""
        if again:
            self.around.tokens.begin()
            for uid in list(self.truth.tokens)[:1]:
                self._tell(uid)
        self.around.tokens.begin()
        for uid in self.truth.tokens:
            self._tell(uid)
        self.around.tokens.end()
        self.behind = False

    @invariant()
    def what_is_known_is_what_is_there(self) -> None:
        """Every token that ever was, presented: good if it is there and not revoked."""
        if self.behind:
            return
        good = {token.reveal() for uid, token in self.truth.tokens.items() if uid not in self.truth.revoked}
        for token in self.everything:
            is_accepted = not hasattr(self.around.present(token), "reason")
            assert is_accepted is (token.reveal() in good)
        index = self.around.index
        assert sum(index.by_key.values()) == len(index.by_id) == len(self.truth.tokens)

    def _tell(self, uid: str) -> None:
        token = self.truth.tokens[uid]
        state = "Revoked" if uid in self.truth.revoked else "Active"
        stored = [self.around.credential(token, uid=uid)]
        self.around.put_token(uid=uid, name=uid, credentials=stored, state=state)


Feeds.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
TestFeeds = Feeds.TestCase


def test_revocations_and_restorations_are_reported_immediately() -> None:
    """The reason is in the spec, the time in the status; what changes nothing is not reported."""
    around, told = Surroundings(), [0]

    def note() -> None:
        told[0] += 1

    around.index.on_state_change = note
    counts = []
    changes: tuple[dict[str, Any], ...] = (
        {"state": "Revoked"},
        {"state": "Revoked", "description": "again"},
        {},
        {"suspended": "2026-11-28T09:00:00Z"},
        {"suspended": "2026-11-28T09:00:00Z", "inUseTime": "2026-11-28T08:00:00Z"},
        {"suspended": "2026-11-28T09:00:00Z", "inUseTime": "2026-11-28T09:00:00Z"},
        {},
    )
    for change in changes:
        around.put_token(**change)
        counts.append(told[0])
    assert counts == [1, 1, 2, 3, 3, 4, 4]
