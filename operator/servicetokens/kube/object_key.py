"""The items of the queue: the identity of one object, never the object."""

from typing import NamedTuple


class Key(NamedTuple):
    """One object of our group; the namespace of a ServiceRole is empty."""

    kind: str
    namespace: str
    name: str

    @property
    def fields(self) -> dict[str, str]:
        """Return the identity as fields of a log line, under the names that every line uses."""
        return {"kind": self.kind, "namespace": self.namespace, "name": self.name}

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"
