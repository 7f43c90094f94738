"""Each scanner finds our tokens wherever people leave them, and nothing else."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from common.drivers.validating import validator
from common.drivers.world import World
from common.repository import ROOT
from controlplane.cluster import Cluster, Options
from controlplane.waiting import patient
from pages.scanners import FOLDER
from scanners.scanner import DETECT_SECRETS, INDIRECT, Scanner, sha1
from servicetokens.tokens.format import mint, pattern_of

# How a token lies about, by the name of the file.
PLACES = {
    "notes.md": "The deploy job uses `{token}` since May.\n",
    "italic.md": "was _{token}_ before\n",
    "prod.env": "DEBUG=1\nAPI_TOKEN={token}\n",
    "quoted.env": "export API_TOKEN='{token}'\n",
    "values.yaml": "ci:\n  token: {token}\n",
    "state.json": '{{"outputs": {{"token": {{"value": "{token}"}}}}}}\n',
    "escaped.json": '{{"message": "the token:\\n{token}\\n"}}\n',
    "app.log": "2026-11-28T10:00:00Z WARN refused: got {token}, wanted another\n",
    "client.py": 'CLIENT = Client("https://api.example", token="{token}")\n',
    "url.txt": "https://api.example/v1/pets?access_token={token}&limit=10\n",
    "userinfo.txt": "git clone https://ci:{token}@git.example/pets.git\n",
    "header.txt": "Authorization: Bearer {token}\n",
    "encoded.txt": "curl 'https://api.example/?authorization=Bearer%20{token}%0A'\n",
    "last.txt": "{token}",
}
BODY = "003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2pvBGr"
LOOKALIKES = {
    "id.log": "accepted svt_0123456789AB for deploy-bot, id=0123456789AB\n",
    "masked.log": "minted svt_0123456789AB_… for deploy-bot\n",
    "short.txt": f"svt_0123456789AB_{BODY[1:]}\n",
    "long.txt": f"svt_0123456789AB_{BODY}0\n",
    "shortid.txt": f"svt_0123456789A_{BODY}\n",
    "other.txt": f"svx_0123456789AB_{BODY}\n",
    "placeholder.md": f"svt_xxxxxxxxxxxx_{'x' * 49}\nsvt_<id>_<secret>\n",
    "pattern.md": "svt_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\n",
}


def write(folder: Path, files: dict[str, str]) -> None:
    """Make *files* in *folder*."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def test_every_token_is_found_wherever_it_lies(scanner: Scanner, tokens: list[str], tmp_path: Path) -> None:
    """Each of them in each place, whole, and nothing else."""
    for number, token in enumerate(tokens):
        write(
            tmp_path / "tree" / str(number),
            {name: text.format(token=token) for name, text in PLACES.items()},
        )
    wanted = {(f"{number}/{name}", sha1(token)) for number, token in enumerate(tokens) for name in PLACES}
    assert scanner.scan(tmp_path / "tree", tmp_path) == wanted


def test_text_that_only_looks_like_a_token_is_not_reported(scanner: Scanner, tmp_path: Path) -> None:
    """Public ids, masked tokens, placeholders, other lengths and another prefix."""
    write(tmp_path / "tree", LOOKALIKES)
    assert scanner.scan(tmp_path / "tree", tmp_path) == set()


def test_detect_secrets_knows_the_checksum(tokens: list[str], tmp_path: Path) -> None:
    """The shape alone is not enough for it, as it is for the others, which cannot count."""
    wrong = tokens[0][:-1] + ("0" if tokens[0][-1] != "0" else "1")
    write(tmp_path / "tree", {"wrong.env": f"TOKEN={wrong}\n"})
    assert Scanner("detect-secrets").scan(tmp_path / "tree", tmp_path) == set()
    assert Scanner("gitleaks").scan(tmp_path / "tree", tmp_path) == {("wrong.env", sha1(wrong))}


def test_another_prefix_is_one_replacement_away(scanner: Scanner, tokens: list[str], tmp_path: Path) -> None:
    """As docs/guides/scanners.md says; the default prefix is not found any more."""
    rules = tmp_path / "rules"
    shutil.copytree(FOLDER, rules, ignore=shutil.ignore_patterns("__pycache__"))
    page = (ROOT / "docs" / "guides" / "scanners.md").read_text()
    (command,) = re.findall(r"^    (sed .*)$", page, re.MULTILINE)
    subprocess.run(
        ["bash", "-c", command.replace("config/scanners", str(rules))], check=True, timeout=patient(10)
    )
    token = mint("acme", lambda size: bytes(range(size))).reveal()
    write(tmp_path / "tree", {"new.env": f"TOKEN={token}\n", "old.env": f"TOKEN={tokens[0]}\n"})
    assert Scanner(scanner.name, rules).scan(tmp_path / "tree", tmp_path) == {("new.env", sha1(token))}


def test_no_file_of_this_repository_has_a_token(scanner: Scanner, tmp_path: Path) -> None:
    """Except examples in code, tests and the corpus of the fuzzer, which show that the scan would have seen others.

    One of them alone has the right checksum; detect-secrets tells.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=patient(30)
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / "tree" / name)
    found = scanner.scan(tmp_path / "tree", tmp_path)
    assert {Path(path).parts[0] for path, _ in found} == {"operator", "hack", "tests"}
    if scanner.name == "detect-secrets":
        assert {value for _, value in found} == {sha1(f"svt_0123456789AB_{BODY}")}


def test_no_output_of_ours_has_a_token(binaries: Path, tmp_path: Path) -> None:
    """Both logs at their most talkative, metrics, Events, objects and the audit log of a life with a rotation."""
    outputs = tmp_path / "tree"
    outputs.mkdir()
    with Cluster(Options(audit=True), binaries=binaries) as cluster:
        world = World(cluster)
        world.install()
        namespace = cluster.create_namespace()
        world.account(namespace)
        with (
            world.operator(outputs / "operator.log", "--log-level=debug") as operator,
            validator(world, outputs / "validator.log", "--log-level=debug") as running_validator,
        ):
            world.token(namespace)
            first = world.until_ready(namespace)
            world.until(lambda: running_validator.forward(first).status == 200, "the token to be accepted")
            world.change(namespace, rotation={"id": "one"})
            second = world.until_ready(namespace)
            world.until(
                lambda: running_validator.review(second).json["status"].get("authenticated"),
                "the next one, too",
            )
            world.change(namespace, state="Revoked")
            world.until(lambda: running_validator.forward(second).status == 401, "it to be refused")
            for running in (operator, running_validator):
                (outputs / f"{running.port}.txt").write_text(running.page("/metrics")[1])
        for name, path in {
            "tokens.json": world.path("servicetokens", namespace),
            "events.json": f"/apis/events.k8s.io/v1/namespaces/{namespace}/events",
        }.items():
            (outputs / name).write_text(json.dumps(world.ok("GET", path).body, indent=1))
        shutil.copy(cluster.files.audit_log, outputs / "audit.log")
    gitleaks = Scanner("gitleaks")
    assert gitleaks.scan(outputs, tmp_path) == set()
    (outputs / "leak.log").write_text(f"{first} {second}\n")
    assert gitleaks.scan(outputs, tmp_path) == {("leak.log", sha1(first)), ("leak.log", sha1(second))}


def test_a_filter_of_detect_secrets_has_to_be_off(tokens: list[str], tmp_path: Path) -> None:
    """Without the flag that docs/guides/scanners.md names, a token in a call is passed over."""
    assert f"--disable-filter {INDIRECT}" in (ROOT / "docs" / "guides" / "scanners.md").read_text()
    write(tmp_path / "tree", {"client.py": PLACES["client.py"].format(token=tokens[0])})
    plugin = FOLDER / "detect_secrets_plugin.py"
    command: list[str | Path] = [
        DETECT_SECRETS,
        "scan",
        "--all-files",
        "--no-verify",
        "--plugin",
        str(plugin),
        ".",
    ]
    done = subprocess.run(
        command, cwd=tmp_path / "tree", capture_output=True, text=True, check=True, timeout=patient(60)
    )
    assert "Service Token" not in done.stdout


@pytest.mark.parametrize("name", ["SECURITY.md", "docs/guides/scanners.md"])
def test_the_page_has_the_format(name: str) -> None:
    """Anyone who writes a rule for another scanner copies the expression that ours have."""
    assert pattern_of("svt") in (ROOT / name).read_text()
