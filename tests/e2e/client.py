"""A workload that calls a service with its token, again and again, and tells what it is answered. A script in a pod.

    client.py URL        the token is in the file $TOKEN_FILE, read for each call, or in $TOKEN

One JSON line for each change of status or token, and one a second: time, status, public id of the token, calls so far.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

PAUSE = 0.02
# Longer than any proxy in between waits, so that what is reported is the proxy's answer.
SECONDS = 60


def token() -> str:
    """Return the token as it is now."""
    path = os.environ.get("TOKEN_FILE")
    if path is None:
        return os.environ["TOKEN"]
    return Path(path).read_text()


def call(url: str, value: str) -> int:
    """Return the status; 0 when there was no answer."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {value}"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def main() -> None:
    """Call indefinitely."""
    said, told_at, counts = ("", 0), 0.0, dict[int, int]()
    while True:
        value = token()
        at = time.time()
        status = call(sys.argv[1], value)
        counts[status] = counts.get(status, 0) + 1
        seen = (value.split("_")[1], status)
        if seen != said or at - told_at > 1:
            said, told_at = seen, at
            print(json.dumps({"at": at, "token": seen[0], "status": status, "counts": counts}), flush=True)
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
