"""Whether the installed CRDs fit this code: an older schema would drop a restriction silently.

A field such as `allowedCIDRs` that the schema does not know is pruned by the API server without a word, and
the token would then be accepted from everywhere. So the CRDs carry the revision of their schema, and a process
that finds an older one than its own does not work. Nor does it with a schema that lacks a field, whatever its
revision says: the annotation survives when an older CRD is applied over a newer one.
"""

import asyncio
from itertools import islice
from typing import Any, Final

import msgspec

from servicetokens.api import names
from servicetokens.kube.client import Api
from servicetokens.kube.errors import Forbidden, KubeError, NotConfigured, NotFound
from servicetokens.kube.schema import dropped_fields

_PATH: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_REMEDY: Final = "run `servicetokens crds | kubectl apply --server-side -f -`"
# So many are named; whoever upgrades gets them all.
_MOST_NAMED: Final = 3

# An older CRD is applied by mistake, by a person, and rarely. Until that is noticed it drops what people write and
# refuses what we write; three requests a minute, of 30 KB each, are a fraction of what the Leases cost.
CHECK_SECONDS: Final = 60.0

_decoder: Final = msgspec.json.Decoder(dict[str, Any])


async def find_trouble(api: Api) -> str | None:
    """Return a sentence that says what is wrong with the CRDs and what to do, or None when they fit.

    Raises:
        KubeError: the API server could not be asked.
    """
    for plural in (names.PLURAL_TOKENS, names.PLURAL_ACCOUNTS, names.PLURAL_ROLES):
        trouble = await _find_trouble_with(api, plural)
        if trouble is not None:
            return trouble
    return None


async def until_unfit(api: Api, period: float) -> None:
    """Return when the CRDs do not fit any more, looking every *period* seconds.

    An API server that cannot be asked has said nothing about them.
    """
    while True:
        await asyncio.sleep(period)
        try:
            if await find_trouble(api) is not None:
                return
        except (KubeError, NotConfigured):
            continue


async def _find_trouble_with(api: Api, plural: str) -> str | None:
    name = f"{plural}.{names.GROUP}"
    try:
        body = await api.request("GET", f"{_PATH}/{name}")
    except NotFound:
        return f"the CRD {name} is not installed; {_REMEDY}"
    except Forbidden as error:
        return f"the right to get the CRD {name} is missing ({error.message})"
    return judge(_decoder.decode(body), plural)


def judge(definition: dict[str, Any], plural: str) -> str | None:
    """Return a sentence that says what is wrong with the CRD *definition* of *plural*, or None when it fits."""
    name = f"{plural}.{names.GROUP}"
    found = (definition["metadata"].get("annotations") or {}).get(names.ANNOTATION_SCHEMA_REVISION, "")
    if not found.isdecimal() or int(found) < names.SCHEMA_REVISION:
        revision = f"has schema revision '{found}'" if found else "has no schema revision"
        return f"the CRD {name} {revision}, and this program needs {names.SCHEMA_REVISION}; {_REMEDY}"
    dropped = list(islice(dropped_fields(definition, plural), _MOST_NAMED + 1))
    if not dropped:
        return None
    fields = ", ".join(dropped[:_MOST_NAMED]) + (" and others" if len(dropped) > _MOST_NAMED else "")
    return f"the CRD {name} says schema revision {found} and lacks {fields}, so it is an older one; {_REMEDY}"
