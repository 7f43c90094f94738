"""Whether the installed CRDs fit this code: an older schema would drop a restriction silently.

A field such as `allowedCIDRs` that the schema does not know is pruned by the API server without a word, and
the token would then be accepted from everywhere. So the CRDs carry the revision of their schema, and a process
that finds an older one than its own does not work. Nor does it with a schema that lacks a field, whatever its
revision says: the annotation survives when an older CRD is applied over a newer one.

Without the permission to read CRDs the fields are judged by the schema that the API server publishes to everybody who
may use it at all. Revisions are not in there.
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
# So many are named; whoever upgrades gets them all.
_MOST_NAMED: Final = 3

# An older CRD is applied by mistake, by a person, and rarely. Until that is noticed it drops what people write and
# refuses what we write; three requests a minute, of 30 KB each, are a fraction of what the Leases cost. By OpenAPI it
# is one of 200 KB, which the API server keeps ready.
CHECK_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 2.0
_CHECK: Final = "crds"
_PERMISSION: Final = "permission to read crds"

_decoder: Final = msgspec.json.Decoder(dict[str, Any])
_PLURALS: Final = (names.PLURAL_TOKENS, names.PLURAL_ACCOUNTS, names.PLURAL_ROLES)


class Requests(Protocol):
    """Asks the API server."""

    async def request(self, method: str, path: str) -> bytes:
        """See `kube.client.Api`."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong with the CRDs and what to do, a sentence; empty when they fit.

    *unread* says why less than the CRDs themselves was judged; empty when they were read.
    """

    trouble: str = ""
    unread: str = ""


async def examine(api: Requests) -> Judgement:
    """Judge the installed CRDs.

    Raises:
        KubeError: the API server could not be asked.
    """
    for plural in _PLURALS:
        try:
            body = await api.request("GET", paths.definition(plural))
        except NotFound:
            return Judgement(_not_installed(plural))
        except Forbidden as error:
            return await _examine_published(api, error)
        if trouble := judge(_decoder.decode(body), plural):
            return Judgement(trouble)
    return Judgement()


class SchemaCheck:
    """Judges the CRDs again and again, and says once in *readiness* that the permission to read them is missing."""

    def __init__(self, api: Requests, readiness: Readiness) -> None:
        """Nothing is sent until one of the methods is called."""
        self._api = api
        self._readiness = readiness

    async def find_trouble(self) -> str:
        """Return `Judgement.trouble` of now. Raises `KubeError`."""
        found = await examine(self._api)
        if found.unread:
            self._readiness.set(_PERMISSION, found.unread, essential=False)
        else:
            self._readiness.clear(_PERMISSION)
        return found.trouble

    async def until_fit(self) -> None:
        """Return once the CRDs fit; until then *readiness* says why they do not. Raises `KubeError`."""
        while trouble := await self.find_trouble():
            self._readiness.set(_CHECK, trouble)
            await asyncio.sleep(_RETRY_SECONDS)
        self._readiness.clear(_CHECK)

    async def until_unfit(self, period: float) -> None:
        """Return when the CRDs do not fit any more, looking every *period* seconds.

        An API server that cannot be asked has said nothing about them.
        """
        while True:
            await asyncio.sleep(period)
            try:
                if await self.find_trouble():
                    return
            except (KubeError, NotConfigured):
                continue


def judge(definition: Mapping[str, Any], plural: str) -> str | None:
    """Return a sentence that says what is wrong with the CRD *definition* of *plural*, or None when it fits."""
    name = f"{plural}.{names.GROUP}"
    found = (definition["metadata"].get("annotations") or {}).get(names.ANNOTATION_SCHEMA_REVISION, "")
    if not found.isdecimal() or int(found) < names.SCHEMA_REVISION:
        revision = f"has schema revision '{found}'" if found else "has no schema revision"
        return f"the CRD {name} {revision}, and this program needs {names.SCHEMA_REVISION}; {_REMEDY}"
    lacking = _fields_that_lack(definition, plural)
    return f"the CRD {name} says schema revision {found} and lacks {lacking}" if lacking else None


def judge_published(document: Mapping[str, Any], plural: str) -> str | None:
    """Return the same by the OpenAPI *document* of our version, which does not show revisions."""
    definition = published_definition(document, plural)
    if definition is None:
        return _not_installed(plural)
    lacking = _fields_that_lack(definition, plural)
    return f"the schema of {plural}.{names.GROUP} lacks {lacking}" if lacking else None


async def _examine_published(api: Requests, refusal: Forbidden) -> Judgement:
    unread = (
        f"the permission to get the CRDs of {names.GROUP} is missing ({refusal.message}): their fields are checked in "
        "the published schema, their revision is unknown"
    )
    try:
        document = _decoder.decode(await api.request("GET", paths.PUBLISHED_SCHEMA))
    except NotFound:
        return Judgement(_not_installed(names.PLURAL_TOKENS), unread)
    except Forbidden as error:
        return Judgement(
            f"the permission to get the CRDs of {names.GROUP} is missing ({refusal.message}), and so is the one to "
            f"read their published schema instead ({error.message})"
        )
    except msgspec.MsgspecError as error:
        message = "the published schema cannot be read: it is not in the form of OpenAPI"
        raise ApiUnavailable(message) from error
    troubles = (judge_published(document, plural) for plural in _PLURALS)
    return Judgement(next(filter(None, troubles), ""), unread)


def _fields_that_lack(definition: Mapping[str, Any], plural: str) -> str:
    """Return the names of the first fields that the schema drops, and the remedy; empty when it drops none."""
    dropped = list(islice(dropped_fields(definition, plural), _MOST_NAMED + 1))
    if not dropped:
        return ""
    fields = ", ".join(dropped[:_MOST_NAMED]) + (" and others" if len(dropped) > _MOST_NAMED else "")
    return f"{fields}, so it is an older one; {_REMEDY}"


def _not_installed(plural: str) -> str:
    return f"the CRD {plural}.{names.GROUP} is not installed; {_REMEDY}"
