"""Finished answers live as long as their decision, and no longer."""

import gc

from common.builders.presenting import Surroundings
from servicetokens.authn.decision import Accepted
from servicetokens.validator.rendered import RenderedAnswers


class Renderer:
    """Renders decisions as text, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def render(self, accepted: Accepted, form: object) -> str:
        """Return the token's id with the form."""
        self.count += 1
        return f"{accepted.token_id} {form}"


def test_an_answer_is_rendered_once_for_each_decision() -> None:
    """Another form of it is rendered again; equal forms need not be the same object."""
    around, renderer = Surroundings(), Renderer()
    answers = RenderedAnswers(renderer.render)
    accepted = around.accepted()
    texts = {answers.get(accepted, ("v1",)) for _ in range(3)}
    assert (texts, renderer.count) == ({f"{around.token.id} ('v1',)"}, 1)
    assert answers.get(accepted, ("v2",)).endswith("('v2',)")
    assert answers.get(accepted, ("v1",)).endswith("('v1',)")
    assert (renderer.count, len(answers)) == (3, 1)


def test_an_answer_is_never_that_of_another_decision() -> None:
    """A role that is added or removed makes another decision about the same token, also while the old one is kept."""
    around, kept = Surroundings(), []
    answers = RenderedAnswers(lambda accepted, _form: [role.name for role in accepted.roles])
    for names in ([], ["reader"], ["reader", "writer"], []):
        for name in names:
            around.put_role(name)
        around.put_account(roles=names)
        kept.append(around.accepted())
        assert answers.get(kept[-1]) == names


def test_answers_are_dropped_with_their_decision() -> None:
    """Nothing else limits how many there are."""
    around, renderer = Surroundings(), Renderer()
    answers = RenderedAnswers(renderer.render)
    for number in range(100):
        around.put_account(roles=[f"role-{number}"])
        answers.get(around.accepted())
        answers.get(around.accepted(), "another form")
    gc.collect()
    assert (renderer.count, len(answers)) == (200, 1)
