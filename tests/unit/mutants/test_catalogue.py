"""The catalogue of mutants keeps up with the code."""

import pytest

from mutants.__main__ import SOURCE, Inapplicable, mutated
from mutants.catalogue import MUTANTS
from mutants.mutant import Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.says)
def test_every_mutant_still_applies(mutant: Mutant) -> None:
    """Its text is found exactly once, and the mistake is still Python."""
    compile(mutated(mutant, (SOURCE / mutant.file).read_text()), mutant.file, "exec")


def test_a_mutant_whose_text_does_not_exist_is_an_error() -> None:
    """It would look like one that no test noticed."""
    with pytest.raises(Inapplicable, match="0 times"):
        mutated(Mutant("does not exist", "lifecycle/plan.py", "no such text", ""), "a = 1")
