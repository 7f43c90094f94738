"""What is committed in `crds/` is what the models say today."""

from pathlib import Path

import yaml

from servicetokens.api import names
from servicetokens.crdgen.build import custom_resource_definition
from servicetokens.crdgen.kinds import KINDS
from servicetokens.crdgen.render import files, render, stream

CRDS = Path(__file__).parents[3] / "crds"


def test_committed_files_are_up_to_date() -> None:
    """Anyone who changes a model runs `make generate` and commits the result."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in CRDS.glob("*.yaml")}

    assert committed == files(), "run `make generate`"


def test_yaml_says_what_was_built() -> None:
    """Folding and quoting change nothing of the content."""
    for kind in KINDS:
        definition = custom_resource_definition(kind)
        assert yaml.safe_load(render(definition)) == definition


def test_output_is_stable() -> None:
    """Generating twice gives the same text, so that a difference is always a user's change."""
    assert files() == files()


def test_files_say_where_they_come_from() -> None:
    """A generated file tells its reader what to edit instead, and which command to run."""
    for content in files().values():
        first = content.splitlines()[0]
        assert first.startswith(
            "# Generated from the models in operator/servicetokens/api by `make generate`"
        )


def test_stream_has_all_kinds() -> None:
    """`servicetokens crds` prints the same definitions, in one stream."""
    assert list(yaml.safe_load_all(stream())) == [custom_resource_definition(kind) for kind in KINDS]


def test_schema_revision() -> None:
    """Every CRD carries the revision that operator and validator compare with their own."""
    for kind in KINDS:
        annotations = custom_resource_definition(kind)["metadata"]["annotations"]
        assert annotations == {names.ANNOTATION_SCHEMA_REVISION: str(names.SCHEMA_REVISION)}


def test_the_version_is_never_v1() -> None:
    """At `v1` the name rules of kustomize would match our kind ServiceAccount, and rewrite pods."""
    for kind in KINDS:
        versions = [version["name"] for version in custom_resource_definition(kind)["spec"]["versions"]]
        assert versions == ["v1beta1"]


def test_no_category_is_named_like_a_plural() -> None:
    """A category named like a plural would win: `delete servicetokens --all` would delete all kinds."""
    plurals = {kind.plural for kind in KINDS}

    assert all(plurals.isdisjoint(kind.names()["categories"]) for kind in KINDS)
