"""Finished answers of a listener, each kept for as long as the decision that it renders exists."""

import weakref
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from servicetokens.authn.decision import Accepted

Rendered = TypeVar("Rendered")


class _Entry(weakref.ref[Accepted]):
    """An answer, and what is needed to find and to drop it."""

    __slots__ = ("answer", "form", "key")

    answer: Any
    form: Hashable
    key: int


class RenderedAnswers(Generic[Rendered]):
    """The last answer for each decision that is kept somewhere; it is rendered again for another form.

    An authenticator gives the same decision for most requests with the same token, so most answers are not rendered but
    looked up. An entry is dropped together with its decision, which limits how many there are.
    """

    def __init__(self, render: Callable[[Accepted, Any], Rendered]) -> None:
        """*render* gets a decision and a form, and its answer depends on nothing else."""
        self._render = render
        # By identity: as long as an entry is here, no other object has its address.
        self._entries: dict[int, _Entry] = {}

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._entries)

    def get(self, accepted: Accepted, form: Hashable = None) -> Rendered:
        """Return the answer for *accepted* in this *form*, such as the version of a protocol."""
        entry = self._entries.get(id(accepted))
        if entry is None or entry.form != form:
            entry = _Entry(accepted, self._drop)
            entry.answer, entry.form, entry.key = self._render(accepted, form), form, id(accepted)
            self._entries[entry.key] = entry
        answer: Rendered = entry.answer
        return answer

    def _drop(self, entry: "weakref.ref[Accepted]") -> None:
        if isinstance(entry, _Entry):
            self._entries.pop(entry.key, None)
