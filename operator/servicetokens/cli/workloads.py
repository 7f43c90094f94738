"""Which workloads use a Secret, as their pods say."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from servicetokens.cli.views import Raw, mapping, mappings, text


class Use(StrEnum):
    """How a pod gets the token."""

    #: The kubelet brings a rotated one into the running pod.
    VOLUME = "volume"
    #: Read once, at the start: a rotated one needs a restart.
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """What people know the pods by, how many of them there are, and how they use the Secret."""

    kind: str
    name: str
    pods: int
    uses: frozenset[Use]

    def __str__(self) -> str:
        """Return it in a few words."""
        restart = "; restart it after a rotation" if self.uses == {Use.ENVIRONMENT} else ""
        pods = f"{self.pods} pod{'' if self.pods == 1 else 's'}"
        return f"{self.kind} '{self.name}' ({pods}, by {' and '.join(sorted(self.uses))}{restart})"


def users_of(secret: str, pods: Iterable[Raw]) -> Sequence[Workload]:
    """Return what uses *secret* among *pods*, which are of its namespace."""
    counts: dict[tuple[str, str], int] = {}
    uses: dict[tuple[str, str], frozenset[Use]] = {}
    for pod in pods:
        spec = mapping(pod.get("spec"))
        found = frozenset(_uses(secret, spec))
        if found:
            owner = _owner(pod)
            counts[owner] = counts.get(owner, 0) + 1
            uses[owner] = uses.get(owner, frozenset()) | found
    return [Workload(kind, name, counts[kind, name], uses[kind, name]) for kind, name in sorted(counts)]


def _uses(secret: str, spec: Raw) -> Iterator[Use]:
    volumes = list(mappings(spec.get("volumes")))
    sources = [one for volume in volumes for one in mappings(mapping(volume.get("projected")).get("sources"))]
    if any(_named(one, "secret", "secretName") == secret for one in volumes) or any(
        _named(one, "secret", "name") == secret for one in sources
    ):
        yield Use.VOLUME
    kinds = ("containers", "initContainers", "ephemeralContainers")
    containers = [one for kind in kinds for one in mappings(spec.get(kind))]
    variables = [one for container in containers for one in mappings(container.get("env"))]
    whole = [one for container in containers for one in mappings(container.get("envFrom"))]
    if any(
        _named(mapping(one.get("valueFrom")), "secretKeyRef", "name") == secret for one in variables
    ) or any(_named(one, "secretRef", "name") == secret for one in whole):
        yield Use.ENVIRONMENT


def _named(holder: Mapping[str, object], field: str, name: str) -> str:
    reference = holder.get(field)
    return text(reference.get(name)) if isinstance(reference, dict) else ""


def _owner(pod: Raw) -> tuple[str, str]:
    """Return kind and name of what people deployed: a ReplicaSet stands for its Deployment."""
    meta = mapping(pod.get("metadata"))
    owner = next((one for one in mappings(meta.get("ownerReferences")) if one.get("controller")), None)
    if owner is None:
        return "Pod", text(meta.get("name"))
    kind, name = text(owner.get("kind")), text(owner.get("name"))
    template = text(mapping(meta.get("labels")).get("pod-template-hash"))
    if kind == "ReplicaSet" and template and name.endswith(f"-{template}"):
        return "Deployment", name.removesuffix(f"-{template}")
    return kind, name
