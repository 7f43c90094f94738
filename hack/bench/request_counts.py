"""How many writes the API server has served, by its own count."""

import re
from dataclasses import dataclass
from typing import Final, Self

from servicetokens.kube.client import Api

_LINE: Final = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE"})
_OURS: Final = frozenset({"secrets", "servicetokens"})


@dataclass(frozen=True)
class RequestCounts:
    """Counters of the API server since it started."""

    writes: float
    """Of Secrets and ServiceTokens, their status included."""
    events: float

    @classmethod
    async def read(cls, api: Api) -> Self:
        """Ask the API server."""
        page = (await api.request("GET", "/metrics", accept="text/plain", timeout=30)).decode()
        writes = events = 0.0
        for line in _LINE.finditer(page):
            labels = dict(_LABEL.findall(line["labels"]))
            if labels.get("verb") not in _WRITES:
                continue
            if labels.get("resource") in _OURS:
                writes += float(line["count"])
            elif labels.get("resource") == "events":
                events += float(line["count"])
        return cls(writes, events)
