"""Who this process is among others like it."""

import os
from collections.abc import Mapping
from typing import Final

POD_NAME: Final = "POD_NAME"
"""The variable that our manifests fill in with the pod's name."""


def pod_name(environment: Mapping[str, str] = os.environ) -> str:
    """Return the name of our pod, or that of the host if nobody tells.

    The host of a pod is called like the pod, cut to 63 characters, but on the network of its node (`hostNetwork`) like
    the node.
    """
    return environment.get(POD_NAME) or os.uname().nodename
