"""`servicetokens report` against a real API server, with no more rights than it says it needs."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from common.drivers.operators import RunningOperator
from common.drivers.world import World
from common.repository import ROOT
from controlplane.waiting import patient

READER = "system:serviceaccount:reports:reader"
# The rights that the page for people says are enough.
PAGE = (ROOT / "docs" / "guides" / "report.md").read_text()
RIGHTS = yaml.safe_load(PAGE.split("```yaml\n")[1].split("```")[0])
SUBJECT = {"kind": "ServiceAccount", "name": "reader", "namespace": "reports"}
ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": RIGHTS["metadata"]["name"]}


@pytest.fixture(scope="module")
def kubeconfig(world: World) -> Path:
    """Of a user who may list, and do nothing else."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    world.ok("POST", f"{rbac}/clusterroles", RIGHTS)
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "report-reader"},
        "roleRef": ROLE,
        "subjects": [SUBJECT],
    }
    world.ok("POST", f"{rbac}/clusterrolebindings", binding)
    return world.cluster.user(READER)


def report(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it, as a process of its own."""
    command = [sys.executable, "-m", "servicetokens", "report", f"--kubeconfig={kubeconfig}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=False)


def test_it_shows_what_is_there_and_no_secret(
    world: World, operator: RunningOperator, namespace: str, kubeconfig: Path, tmp_path: Path
) -> None:
    """A rotating and a revoked token; neither value nor verifier of any, in the file and on standard output."""
    world.account(namespace, "other")
    world.token(namespace, description="<b>bold</b>")
    old = world.until_ready(namespace)
    world.change(namespace, rotation={"id": "one", "overlap": "1d"})
    new = world.until_ready(namespace)
    world.token(namespace, "gone", state="Revoked", revocationReason="Superseded")
    world.until_reason(namespace, "Ready", "Revoked", "gone")
    target = tmp_path / "report.html"
    done = report(kubeconfig, f"--output={target}")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith(f"wrote {target}: ")
    page = target.read_text()
    for words in (f"{namespace}/other", f"{namespace}/gone", "Superseded", "&lt;b&gt;bold&lt;/b&gt;"):
        assert words in page
    assert "of the whole cluster" in page
    hidden = [token.split("_")[2] for token in (old, new)]
    hidden += [one["verifier"]["value"] for one in world.status(namespace)["credentials"]]
    assert len(hidden) == 4
    assert [one for one in hidden if one in page] == []
    printed = report(kubeconfig, "-n", namespace)
    assert printed.returncode == 0, printed.stderr
    assert f"All accounts and tokens of {namespace}," in printed.stdout
    overlap = printed.stdout.split('id="overlap"')[1].split("</section>")[0]
    assert f"{namespace}/ci-prod" in overlap
    assert world.status(namespace)["tokenID"] in printed.stdout
    for form in ("csv", "json"):
        data = report(kubeconfig, "--format", form, "-n", namespace)
        assert data.returncode == 0, data.stderr
        assert world.status(namespace)["tokenID"] in data.stdout
        assert "Superseded" in data.stdout
        assert [one for one in hidden if one in data.stdout] == []


def test_only_the_namespaces_that_are_named(world: World, namespace: str, kubeconfig: Path) -> None:
    """Each of them once."""
    other = world.cluster.create_namespace()
    world.account(other, "elsewhere")
    done = report(kubeconfig, "-n", namespace, "-n", namespace)
    assert f"{namespace}/ci" in done.stdout
    assert "elsewhere" not in done.stdout
    assert "elsewhere" in report(kubeconfig, "-n", namespace, "-n", other).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--output", "/nowhere/report.html"], 1, "No such file or directory"),
        (["-n", "../secrets"], 1, "is not a valid name of a Kubernetes object"),
        (["--unused", "soon"], 2, "must be one whole number and one unit"),
        (["--format", "xml"], 2, "'xml' is not one of 'html', 'csv', 'json'"),
    ],
)
def test_what_is_wrong_is_said(kubeconfig: Path, arguments: list[str], code: int, words: str) -> None:
    """In a sentence, without a traceback."""
    done = report(kubeconfig, *arguments)
    assert done.returncode == code
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_missing_permission_to_list_is_reported(world: World, tmp_path: Path) -> None:
    """And writes nothing."""
    target = tmp_path / "report.html"
    done = report(world.cluster.user("system:serviceaccount:reports:nobody"), f"--output={target}")
    assert done.returncode == 1
    assert "cannot list resource" in done.stderr
    assert not target.exists()
