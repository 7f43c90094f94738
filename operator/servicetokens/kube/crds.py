"""Whether the installed CRDs match this code: an older schema would drop a restriction silently.

The API server prunes a field such as `allowedCIDRs` that the schema does not have without an error, and the token would
then be accepted from everywhere. So the CRDs carry the revision of their schema, and a process that finds an older one
than its own does not work. Nor does it with a schema that lacks a field, whatever its revision: the annotation survives
when an older CRD is applied over a newer one.

Without permission to read CRDs the fields are checked with the schema that the API server publishes to every
authenticated user. It does not contain revisions.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol

import msgspec

from servicetokens.api import names
from servicetokens.kube import paths
from servicetokens.kube.errors import ApiUnavailable, Forbidden, KubeError, NotConfigured, NotFound
from servicetokens.kube.schema import dropped_fields, published_definition
from servicetokens.runtime.readiness import Readiness

_REMEDY: Final = "run `servicetokens crds | kubectl apply --server-side -f -`"
# At most this many are named; an upgrade adds all of them.
_MOST_NAMED: Final = 3

# An older CRD is applied by mistake, by a person, and rarely. Until that is noticed, the API server drops what users
# write and rejects what we write; three requests a minute, of 30 KB each, are a fraction of what the Leases cost. With
# OpenAPI it is one request of 200 KB, which the API server keeps ready.
CHECK_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 2.0
_CHECK: Final = "crds"
_PERMISSION: Final = "permission to read crds"

_decoder: Final = msgspec.json.Decoder(dict[str, Any])
_PLURALS: Final = (names.PLURAL_TOKENS, names.PLURAL_ACCOUNTS, names.PLURAL_ROLES)


class Requests(Protocol):
    """Sends requests to the API server."""

    async def request(self, method: str, path: str) -> bytes:
        """See `kube.client.Api`."""
        ...


@dataclass(frozen=True, slots=True)
class SchemaFinding:
    """What is wrong with the CRDs and what to do, as a sentence; empty when they match.

    *unread* says why less than the CRDs themselves was checked; empty when they were read.
    """

    problem: str = ""
    unread: str = ""


async def examine(api: Requests) -> SchemaFinding:
    """Check the installed CRDs.

    Raises:
        KubeError: the API server could not be reached.
    """
    for plural in _PLURALS:
        try:
            body = await api.request("GET", paths.definition(plural))
        except NotFound:
            return SchemaFinding(_not_installed(plural))
        except Forbidden as error:
            return await _examine_published(api, error)
        if problem := find_mismatch(_decoder.decode(body), plural):
            return SchemaFinding(problem)
    return SchemaFinding()


class SchemaCheck:
    """Checks the CRDs repeatedly, and reports once in *readiness* that the permission to read them is missing."""

    def __init__(self, api: Requests, readiness: Readiness) -> None:
        """Nothing is sent until one of the methods is called."""
        self._api = api
        self._readiness = readiness

    async def find_problem(self) -> str:
        """Return `SchemaFinding.problem` of now. Raises `KubeError`."""
        found = await examine(self._api)
        if found.unread:
            self._readiness.set(_PERMISSION, found.unread, essential=False)
        else:
            self._readiness.clear(_PERMISSION)
        return found.problem

    async def until_fit(self) -> None:
        """Return once the CRDs match; until then *readiness* contains the reason. Raises `KubeError`."""
        while problem := await self.find_problem():
            self._readiness.set(_CHECK, problem)
            await asyncio.sleep(_RETRY_SECONDS)
        self._readiness.clear(_CHECK)

    async def until_unfit(self, period: float) -> None:
        """Return when the CRDs no longer match, checking every *period* seconds.

        An unreachable API server changes nothing.
        """
        while True:
            await asyncio.sleep(period)
            try:
                if await self.find_problem():
                    return
            except (KubeError, NotConfigured):
                continue


def find_mismatch(definition: Mapping[str, Any], plural: str) -> str | None:
    """Return what is wrong with the CRD *definition* of *plural*, as a sentence, or None when it matches."""
    name = f"{plural}.{names.GROUP}"
    found = (definition["metadata"].get("annotations") or {}).get(names.ANNOTATION_SCHEMA_REVISION, "")
    if not found.isdecimal() or int(found) < names.SCHEMA_REVISION:
        revision = f"has schema revision '{found}'" if found else "has no schema revision"
        return f"the CRD {name} {revision}, and this program needs {names.SCHEMA_REVISION}; {_REMEDY}"
    lacking = _fields_that_lack(definition, plural)
    return f"the CRD {name} says schema revision {found} and lacks {lacking}" if lacking else None


def find_published_mismatch(document: Mapping[str, Any], plural: str) -> str | None:
    """Return the same for the OpenAPI *document* of our version, which does not show revisions."""
    definition = published_definition(document, plural)
    if definition is None:
        return _not_installed(plural)
    lacking = _fields_that_lack(definition, plural)
    return f"the schema of {plural}.{names.GROUP} lacks {lacking}" if lacking else None


async def _examine_published(api: Requests, denied: Forbidden) -> SchemaFinding:
    unread = (
        f"the permission to get the CRDs of {names.GROUP} is missing ({denied.message}): their fields are checked in "
        "the published schema, their revision is unknown"
    )
    try:
        document = _decoder.decode(await api.request("GET", paths.PUBLISHED_SCHEMA))
    except NotFound:
        return SchemaFinding(_not_installed(names.PLURAL_TOKENS), unread)
    except Forbidden as error:
        return SchemaFinding(
            f"the permission to get the CRDs of {names.GROUP} is missing ({denied.message}), and so is the one to "
            f"read their published schema instead ({error.message})"
        )
    except msgspec.MsgspecError as error:
        message = "the published schema cannot be read: it is not in the form of OpenAPI"
        raise ApiUnavailable(message) from error
    problems = (find_published_mismatch(document, plural) for plural in _PLURALS)
    return SchemaFinding(next(filter(None, problems), ""), unread)


def _fields_that_lack(definition: Mapping[str, Any], plural: str) -> str:
    """Return the names of the first fields that the schema drops, and the remedy; empty when it drops none."""
    dropped = list(islice(dropped_fields(definition, plural), _MOST_NAMED + 1))
    if not dropped:
        return ""
    fields = ", ".join(dropped[:_MOST_NAMED]) + (" and others" if len(dropped) > _MOST_NAMED else "")
    return f"{fields}, so it is an older one; {_REMEDY}"


def _not_installed(plural: str) -> str:
    return f"the CRD {plural}.{names.GROUP} is not installed; {_REMEDY}"
