"""How much a class of the product is given: one that needs many others does the work of several classes."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from common.repository import ROOT

PRODUCT: Final = ROOT / "operator" / "servicetokens"
MOST: Final = 5
"""A sixth collaborator of a class usually shows that two of them belong together, or that it has two purposes."""

# Types of plain values: the configuration of a class, as opposed to its collaborators.
PLAIN: Final = frozenset(
    {
        *("bool", "int", "float", "str", "bytes", "object", "Any", "None", "Path", "Final", "Literal"),
        *("tuple", "list", "dict", "set", "frozenset", "type"),
        *("Mapping", "Sequence", "Collection", "Iterable", "Set"),
    }
)


def test_no_class_takes_more_than_five_collaborators() -> None:
    """These are the parameters of its constructor that are no plain values: objects of ours, and callables."""
    found = {f"{path}:{name}": count for path, name, count in constructors() if count > MOST}
    assert found == {}


def test_collaborators_are_counted_by_their_types() -> None:
    """The limit is reached somewhere, and settings do not count."""
    counts = {name: count for _, name, count in constructors()}
    assert max(counts.values()) == MOST
    assert counts["TokenReader"] == 5
    assert counts["KubeError"] == 0


def constructors() -> Iterator[tuple[Path, str, int]]:
    """Yield each class with a constructor of its own: its file, its name, and the number of its collaborators."""
    for path in sorted(PRODUCT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield from (
                    (path.relative_to(ROOT), node.name, collaborators(method.args))
                    for method in node.body
                    if isinstance(method, ast.FunctionDef) and method.name == "__init__"
                )


def collaborators(arguments: ast.arguments) -> int:
    """Return how many of *arguments*, which begin with `self`, are no plain values."""
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs][1:]
    return sum(not is_plain(parameter.annotation) for parameter in parameters)


def is_plain(annotation: ast.expr | None) -> bool:
    """Return whether everything that is named in *annotation* is a type of plain values."""
    assert annotation is not None
    return {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)} <= PLAIN
