"""The catalogue of mutants keeps up with the code."""

import shutil
from pathlib import Path

import pytest

from mutants.__main__ import ROOT, Inapplicable, apply
from mutants.catalogue import MUTANTS
from mutants.mutant import Mutant


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package."""
    copy = tmp_path / "servicetokens"
    shutil.copytree(ROOT / "operator" / "servicetokens", copy)
    return copy


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.says)
def test_every_mutant_still_applies(mutant: Mutant, package: Path) -> None:
    """Its text is found exactly once, and the mistake is still Python."""
    apply(mutant, package)
    compile((package / mutant.file).read_text(), mutant.file, "exec")


def test_a_mutant_whose_text_is_gone_is_an_error(package: Path) -> None:
    """It would pass for one that nobody noticed."""
    with pytest.raises(Inapplicable, match="0 times"):
        apply(Mutant("is not there", "lifecycle/plan.py", "no such text", ""), package)
