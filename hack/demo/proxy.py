"""Asks the forward-auth listener as a reverse proxy would, and shows the `curl` that does the same.

Python's own HTTP client, since a fresh machine need not have curl.
"""

import http.client
import time
from dataclasses import dataclass

from demo.screen import Screen

# The validator answers in well under a millisecond; a slow machine may take longer to schedule it.
ANSWER_SECONDS = 5
# Fine enough to see how fast a revocation acts, coarse enough not to disturb it.
POLL_SECONDS = 0.001
# All that the story promises is far quicker.
PATIENCE_SECONDS = 15


@dataclass(frozen=True)
class ProxyAnswer:
    """The validator's answer."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str:
        """Return the value of one header; empty when it is absent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def __str__(self) -> str:
        lines = [f"HTTP/1.1 {self.status} {self.reason}"]
        return "\n".join(lines + [f"{key}: {value}" for key, value in self.headers])


class Proxy:
    """A reverse proxy's side of forward-auth."""

    def __init__(self, screen: Screen, address: str) -> None:
        self._screen = screen
        self._address = address

    def show(
        self, token: str, *, name: str = "TOKEN", method: str = "GET", uri: str = "/orders/17"
    ) -> ProxyAnswer:
        """Ask whether the request may pass, and show it; *name* is the shell variable of *token*."""
        self._screen.command(
            f'curl -i http://{self._address}/validate -H "Authorization: Bearer ${name}" '
            f"-H 'X-Forwarded-Method: {method}' -H 'X-Forwarded-Uri: {uri}'"
        )
        reply = self.ask(token, method=method, uri=uri)
        self._screen.answer(str(reply))
        return reply

    def ask(self, token: str, *, method: str = "GET", uri: str = "/orders/17") -> ProxyAnswer:
        """The same without showing it."""
        connection = http.client.HTTPConnection(self._address, timeout=ANSWER_SECONDS)
        try:
            connection.request(
                "GET",
                "/validate",
                headers={
                    "Authorization": f"Bearer {token}",
                    "X-Forwarded-Method": method,
                    "X-Forwarded-Uri": uri,
                },
            )
            response = connection.getresponse()
            response.read()
            return ProxyAnswer(response.status, response.reason, tuple(response.getheaders()))
        finally:
            connection.close()

    def milliseconds_until(self, status: int, token: str) -> float:
        """Ask until the answer has *status* and return how long that took; infinity when it does not come."""
        start = time.monotonic()
        while time.monotonic() - start < PATIENCE_SECONDS:
            if self.ask(token).status == status:
                return (time.monotonic() - start) * 1000
            time.sleep(POLL_SECONDS)
        return float("inf")
