"""Whether the installed CRDs fit this code: an older schema would drop a restriction silently.

A field such as `allowedCIDRs` that the schema does not know is pruned by the API server without a word, and
the token would then be good from everywhere. So the CRDs carry the revision of their schema, and a process
that finds an older one than its own does not work.
"""

import asyncio
from typing import Final

import msgspec

from servicetokens.api import names
from servicetokens.kube.client import Api
from servicetokens.kube.errors import Forbidden, KubeError, NotConfigured, NotFound

_PATH: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# The metadata only: a whole CRD of ours has 30 KB.
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_REMEDY: Final = "run `servicetokens crds | kubectl apply --server-side -f -`"


# An older CRD is applied by mistake, by a person, and rarely; three requests for metadata every five minutes.
CHECK_SECONDS: Final = 300.0


class _Metadata(msgspec.Struct, gc=False):
    annotations: dict[str, str] = {}


class _Definition(msgspec.Struct, gc=False):
    metadata: _Metadata


_decoder: Final = msgspec.json.Decoder(_Definition)


async def find_trouble(api: Api) -> str | None:
    """Return a sentence that says what is wrong with the CRDs and what to do, or None when they fit.

    Raises:
        KubeError: the API server could not be asked.
    """
    for plural in (names.PLURAL_TOKENS, names.PLURAL_ACCOUNTS, names.PLURAL_ROLES):
        trouble = await _find_trouble_with(api, f"{plural}.{names.GROUP}")
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


async def _find_trouble_with(api: Api, name: str) -> str | None:
    try:
        body = await api.request("GET", f"{_PATH}/{name}", accept=_METADATA_ONLY)
    except NotFound:
        return f"the CRD {name} is not installed; {_REMEDY}"
    except Forbidden as error:
        return f"the right to get the CRD {name} is missing ({error.message})"
    found = _decoder.decode(body).metadata.annotations.get(names.ANNOTATION_SCHEMA_REVISION, "")
    if found.isdecimal() and int(found) >= names.SCHEMA_REVISION:
        return None
    revision = f"has schema revision '{found}'" if found else "has no schema revision"
    return f"the CRD {name} {revision}, and this program needs {names.SCHEMA_REVISION}; {_REMEDY}"
