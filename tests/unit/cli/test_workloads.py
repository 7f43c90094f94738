"""Which pods use a Secret, and what people call them."""

from typing import Any

from servicetokens.cli.workloads import Use, Workload, users_of


def pod(spec: dict[str, Any], name: str = "p", **meta: Any) -> dict[str, Any]:
    """Return a pod."""
    return {"metadata": {"name": name, **meta}, "spec": spec}


def owned(kind: str, name: str) -> list[dict[str, Any]]:
    """Return the owner references of a pod."""
    return [{"kind": "Other", "name": "x"}, {"kind": kind, "name": name, "controller": True}]


VOLUME = {"volumes": [{"secret": {"secretName": "s"}}]}
ENV = {
    "initContainers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "s"}}}, {"name": "A", "value": "s"}]}]
}
ENV_FROM = {"containers": [{"envFrom": [{"configMapRef": {"name": "s"}}, {"secretRef": {"name": "s"}}]}]}
PROJECTED = {"volumes": [{"projected": {"sources": [{"secret": {"name": "s"}}]}}]}


def test_each_way_of_using_a_secret_is_seen() -> None:
    """Volumes, projected volumes, variables, `envFrom`; in all kinds of containers."""
    pods = [pod(VOLUME, "a"), pod(PROJECTED, "b"), pod(ENV, "c"), pod(ENV_FROM, "d"), pod({}, "e")]
    assert [(one.name, set(one.uses)) for one in users_of("s", pods)] == [
        ("a", {Use.VOLUME}),
        ("b", {Use.VOLUME}),
        ("c", {Use.ENVIRONMENT}),
        ("d", {Use.ENVIRONMENT}),
    ]
    assert users_of("other", pods) == []


def test_pods_are_called_by_what_made_them() -> None:
    """A ReplicaSet stands for its Deployment, unless it has none."""
    labels = {"pod-template-hash": "5d4f"}
    pods = [
        pod(VOLUME, "w1", ownerReferences=owned("ReplicaSet", "web-5d4f"), labels=labels),
        pod(ENV, "w2", ownerReferences=owned("ReplicaSet", "web-5d4f"), labels=labels),
        pod(VOLUME, "r1", ownerReferences=owned("ReplicaSet", "bare")),
        pod(VOLUME, "s1", ownerReferences=owned("StatefulSet", "db")),
    ]
    assert users_of("s", pods) == [
        Workload("Deployment", "web", 2, frozenset(Use)),
        Workload("ReplicaSet", "bare", 1, frozenset({Use.VOLUME})),
        Workload("StatefulSet", "db", 1, frozenset({Use.VOLUME})),
    ]


def test_a_restart_is_advised_only_where_nothing_else_helps() -> None:
    """The kubelet brings a rotated token into a volume, not into a variable."""
    assert str(Workload("Job", "j", 1, frozenset({Use.ENVIRONMENT}))) == (
        "Job 'j' (1 pod, by environment; restart it after a rotation)"
    )
    assert str(Workload("Job", "j", 2, frozenset(Use))) == "Job 'j' (2 pods, by environment and volume)"
