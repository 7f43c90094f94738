"""The name of this process among its replicas."""

import os
from collections.abc import Mapping
from typing import Final

POD_NAME: Final = "POD_NAME"
"""The variable that our manifests set to the pod's name."""


def pod_name(environment: Mapping[str, str] = os.environ) -> str:
    """Return the name of our pod, or that of the host if the variable is not set.

    The host name of a pod is the pod's name, cut to 63 characters, except on the network of its node (`hostNetwork`),
    where it is the node's.
    """
    return environment.get(POD_NAME) or os.uname().nodename
