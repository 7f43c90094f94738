"""Every place in the code where the operator asks the API server for something, and how to tell its requests.

`call_sites` finds them in the source; `SITES` says which requests each makes. `test_call_sites.py` compares them, so
a new call needs an entry.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from common.fakes.faulty import Asked, Site
from common.repository import ROOT

PACKAGE: Final = ROOT / "operator" / "servicetokens"
_GROUPS: Final = ("/api/v1", "/apis/servicetokens.dev", "/apis/servicetokens.dev/v1beta1")


def _is(method: str, *parts: str) -> Site:
    """Return a site by method and by the path behind the namespace; `*` is any name."""

    def matches(asked: Asked) -> bool:
        if asked.method != method or asked.is_watch:
            return False
        found = asked.parts[2:] if asked.namespace else asked.parts
        return len(found) == len(parts) and all(
            want in {"*", got} for want, got in zip(parts, found, strict=True)
        )

    return matches


def within(site: Site, namespace: str) -> Site:
    """Return *site* in one namespace."""
    return lambda asked: asked.namespace == namespace and site(asked)


# What happens in the namespace of a token: each is tried with every fault, by one life of a token.
OF_A_TOKEN: Final[Mapping[str, Site]] = {
    "kube.objects.ObjectStore.get": _is("GET", "servicetokens", "*"),
    "kube.objects.ObjectStore.put_status": _is("PUT", "servicetokens", "*", "status"),
    "kube.objects.ObjectStore.put_status (account)": _is("PUT", "serviceaccounts", "*", "status"),
    "kube.secrets.SecretStore.get": _is("GET", "secrets", "*"),
    "kube.secrets.SecretStore.create": _is("POST", "secrets"),
    "kube.secrets.SecretStore.patch": _is("PATCH", "secrets", "*"),
    "kube.secrets.SecretStore.delete": _is("DELETE", "secrets", "*"),
    "kube.events.EventRecorder._write": _is("POST", "events"),
    "kube.events.EventRecorder._count": _is("PATCH", "events", "*"),
}
# What happens before the first token is looked at.
AT_START: Final[Mapping[str, Site]] = {
    "kube.crds.examine": _is("GET", "customresourcedefinitions", "*"),
    "kube.crds._examine_published": lambda asked: asked.path.startswith("/openapi/v3/"),
    "kube.watch.list_pages": lambda asked: asked.is_list,
    "kube.secrets.SecretStore.get (keys)": _is("GET", "secrets", "servicetokens-hmac-keys"),
    "kube.secrets.SecretStore.create (keys)": _is("POST", "secrets"),
    "kube.leases.LeaseStore.get": _is("GET", "leases", "*"),
    "kube.leases.LeaseStore.put": lambda asked: asked.method in {"POST", "PUT"} and "leases" in asked.parts,
    "kopf's discovery": lambda asked: asked.method == "GET" and asked.path in {"/api", "/apis", *_GROUPS},
    "kopf's watches": lambda asked: asked.is_watch,
}
# What proves a revocation.
OF_THE_PROOF: Final[Mapping[str, Site]] = {
    "kube.leases.LeaseStore.list": _is("GET", "leases"),
    "kube.leases.LeaseStore.delete": _is("DELETE", "leases", "*"),
}
# The validator's own; `tests/integration/validator/test_feed.py` and `test_usage.py` cut its wire.
OF_THE_VALIDATOR: Final = frozenset(
    {"kube.objects.ObjectStore.set_last_used", "kube.watch.Feed._watch", "kube.watch.Feed._check_history"}
)
# A person runs it and reads what went wrong; `tests/chart/test_install.py` has it fail.
OF_THE_SMOKE_TEST: Final = frozenset({"cli.smoke.SmokeTest._create.created", "cli.smoke.SmokeTest._delete"})

# What a person runs, and reads what went wrong: the plugin. `tests/integration/cli` has it rejected.
# `_Limited` passes on what the others ask for.
OF_THE_PLUGIN: Final = frozenset(
    {"cli.session._Limited.request"}
    | {f"cli.cluster.Cluster.{name}" for name in ("list_metadata", "get", "create", "change", "_review")}
)


def call_sites() -> set[str]:
    """Return every function of the package that sends a request, as `module.Class.function`."""
    return {site for path in sorted(PACKAGE.rglob("*.py")) for site in _sites_of(path)}


def _sites_of(path: Path) -> Iterator[str]:
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)

    def visit(node: ast.AST, names: tuple[str, ...]) -> Iterator[str]:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names = (*names, node.name)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = (
                owner.attr
                if isinstance(owner, ast.Attribute)
                else owner.id
                if isinstance(owner, ast.Name)
                else ""
            )
            if node.func.attr in {"request", "stream"} and name in {"api", "_api"}:
                yield ".".join((module, *names))
        for child in ast.iter_child_nodes(node):
            yield from visit(child, names)

    yield from visit(ast.parse(path.read_text()), ())
