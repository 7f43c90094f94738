"""What the programs of hack/ and the tests may import of each other."""

from changed import imports


def test_hack_imports_of_the_tests_only_what_they_have_in_common() -> None:
    """A program that needs a test's own helper moves it to tests/common, and no test file is ever imported."""
    crossing = {
        (file, imported)
        for file, found in imports().items()
        for imported in found
        if file.startswith("hack/")
        and imported.startswith("tests/")
        and not imported.startswith("tests/common/")
    }
    assert crossing == set()


def test_the_product_imports_neither_hack_nor_tests() -> None:
    """What is installed runs without this repository."""
    crossing = {
        (file, imported)
        for file, found in imports().items()
        for imported in found
        if file.startswith("operator/") and not imported.startswith("operator/")
    }
    assert crossing == set()


def test_what_tests_and_hack_share_imports_of_hack_only_the_control_plane() -> None:
    """So hack/controlplane is below tests/common, and the other programs are above it."""
    crossing = {
        (file, imported)
        for file, found in imports().items()
        for imported in found
        if file.startswith("tests/common/")
        and imported.startswith("hack/")
        and not imported.startswith("hack/controlplane/")
    }
    assert crossing == set()


def test_fakes_and_builders_import_no_driver() -> None:
    """A unit test that needs one of them does not load what runs clusters and programs."""
    crossing = {
        (file, imported)
        for file, found in imports().items()
        for imported in found
        if file.startswith(("tests/common/fakes/", "tests/common/builders/"))
        and imported.startswith("tests/common/drivers/")
    }
    assert crossing == set()
