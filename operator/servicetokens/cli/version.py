"""`kubectl servicetoken version`: which versions work together here."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from servicetokens import __version__
from servicetokens.api import names
from servicetokens.cli.exits import Failure
from servicetokens.cli.options import at_a_place, output_option, run
from servicetokens.cli.output import print_rows
from servicetokens.cli.screen import screen
from servicetokens.cli.session import Place, Session
from servicetokens.cli.views import View, mapping, text
from servicetokens.kube import paths
from servicetokens.kube.errors import Forbidden, KubeError, NotFound

# Why the revision of the CRDs is not known.
_WHY: Final = "installedSchemaProblem"
_LABELS: Final = {
    "client": "Client",
    "schemaRevision": "Schema revision",
    "server": "API server",
    "installedSchemaRevision": "Installed CRDs",
}


@click.command("version")
@click.option("--client", is_flag=True, help="Show only the version of the plugin, without a cluster.")
@output_option("table", "json")
@at_a_place()
def command(place: Place, form: str, *, client: bool) -> None:
    """Show the versions of the plugin, of its schema, of the API server, and of the CRDs."""
    found: dict[str, Any] = {"client": __version__, "schemaRevision": names.SCHEMA_REVISION}
    failure: Failure | None = None
    if not client:
        try:
            found |= run(place, _ask)
        except Failure as error:
            # The version of the plugin is known nevertheless.
            failure = error
    if form == "json":
        click.echo(json.dumps(found, indent=2))
    else:
        print_rows(screen(), (), [(_LABELS[key], text) for key, text in _in_words(found)])
    if failure is not None:
        raise failure


async def _ask(session: Session) -> dict[str, Any]:
    version = await session.cluster.get("/version")
    return {
        "server": text(version.get("gitVersion")),
        **await _installed(session),
    }


def _in_words(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in _LABELS:
        if key == "installedSchemaRevision" and key in found:
            yield key, found.get(_WHY) or f"schema revision {found[key]}"
        elif key in found:
            yield key, str(found[key])


async def _installed(session: Session) -> dict[str, Any]:
    """Return the revision of the CRDs; if it is not known None, and why."""
    try:
        found = View(await session.cluster.get(paths.definition(names.PLURAL_TOKENS)))
    except NotFound:
        return {"installedSchemaRevision": None, _WHY: "none"}
    except Forbidden:
        return {"installedSchemaRevision": None, _WHY: "you do not have permission to read it"}
    except KubeError as error:
        return {"installedSchemaRevision": None, _WHY: f"unknown: {error.message}"}
    revision = text(mapping(found.meta.get("annotations")).get(names.ANNOTATION_SCHEMA_REVISION))
    if not revision.isascii() or not revision.isdecimal():
        return {"installedSchemaRevision": None, _WHY: "schema revision unknown"}
    return {"installedSchemaRevision": int(revision)}
