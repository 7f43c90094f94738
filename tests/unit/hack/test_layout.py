"""Where the unit tests of a package are, and how long a module may be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from common.repository import ROOT

UNIT: Final = ROOT / "tests" / "unit"
PRODUCT: Final = ROOT / "operator" / "servicetokens"
# As CONTRIBUTING.md says.
LONGEST: Final = 400


def test_every_package_has_a_folder_of_unit_tests() -> None:
    """A reader of a package finds its tests under the same name."""
    missing = [folder for folder in packages() if not any((UNIT / folder).rglob("test_*.py"))]
    assert missing == []


def test_every_folder_of_unit_tests_is_named_like_what_it_tests() -> None:
    """That is a package of the product or of `hack`, or one of the folders `hack`, `docs` and `tests/common`."""
    known = {UNIT / name for name in ("hack", "docs", "common")}
    for folder, root in (
        (UNIT, PRODUCT),
        (UNIT, ROOT / "hack"),
        (UNIT / "common", ROOT / "tests" / "common"),
    ):
        known |= {folder / path.relative_to(root) for path in root.rglob("*") if path.is_dir()}
    assert {path.parent for path in UNIT.rglob("test_*.py")} - known == set()


def test_no_module_is_longer_than_400_lines() -> None:
    """More is two ideas, which belong into two modules: the rule is in CONTRIBUTING.md."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_bytes().splitlines())
        for source in ("operator", "hack", "tests")
        for path in (ROOT / source).rglob("*.py")
    }
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


def packages() -> Iterator[Path]:
    """Yield the packages of the product, relative to `servicetokens`."""
    for path in PRODUCT.rglob("__init__.py"):
        if path.parent != PRODUCT:
            yield path.parent.relative_to(PRODUCT)
