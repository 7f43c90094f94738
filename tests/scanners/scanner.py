"""Real secret scanners, run with the rules in config/scanners.

TruffleHog is not among them: it is under the AGPL, and is not packaged. Its rule is run by gitleaks, since
both take their expressions to Go's `regexp`.
"""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from common.repository import ROOT
from controlplane.waiting import patient
from pages.scanners import FOLDER

GITLEAKS: Final = ROOT / ".venv" / "tools" / "gitleaks"
DETECT_SECRETS: Final = ROOT / ".venv" / "scanners" / "bin" / "detect-secrets"
SCANNERS: Final = ("gitleaks", "detect-secrets", "trufflehog's rule")
# It takes `client = Client(token="...")` for a reference to a secret that is elsewhere.
INDIRECT: Final = "detect_secrets.filters.heuristic.is_indirect_reference"
_SECONDS: Final = 110

Found = set[tuple[str, str]]
"""Pairs of a file's path, from where the scan began, and the SHA-1 of what was found in it."""


@dataclass(frozen=True)
class Scanner:
    """One of `SCANNERS`, with the rules of *folder*."""

    name: str
    folder: Path = FOLDER

    def scan(self, target: Path, scratch: Path) -> Found:
        """Return the tokens of ours in *target*; *scratch* is a directory for files of the scanner."""
        if self.name == "detect-secrets":
            return self._detect_secrets(target)
        rules = self.folder / "gitleaks.toml"
        if self.name != "gitleaks":
            rules = scratch / "rules.toml"
            rules.write_text(_as_gitleaks(self.folder / "trufflehog.yaml"))
        return _gitleaks(target, rules)

    def _detect_secrets(self, target: Path) -> Found:
        assert DETECT_SECRETS.exists(), "detect-secrets is not there; fetch it by: make scanners"
        plugin = self.folder / "detect_secrets_plugin.py"
        flags = ["--all-files", "--no-verify", "--disable-filter", INDIRECT]
        command = ["scan", *flags, "--plugin", str(plugin), "."]
        results: dict[str, list[dict[str, Any]]] = json.loads(_output(DETECT_SECRETS, command, target))[
            "results"
        ]
        return {
            (path, one["hashed_secret"])
            for path, found in results.items()
            for one in found
            if one["type"] == "Service Token"
        }


def sha1(text: str) -> str:
    """Return what `Found` says instead of *text*."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _gitleaks(target: Path, rules: Path) -> Found:
    assert GITLEAKS.exists(), "gitleaks is not there; build it by: make tools"
    flags = ["--config", str(rules), "--no-banner", "--log-level", "error", "--exit-code", "0"]
    report = ["--report-format", "json", "--report-path", "-"]
    found: list[dict[str, Any]] = json.loads(_output(GITLEAKS, ["dir", ".", *flags, *report], target))
    return {(one["File"], sha1(one["Secret"])) for one in found if one["RuleID"] == "servicetoken"}


def _as_gitleaks(rule: Path) -> str:
    """Return TruffleHog's rule as one of gitleaks, in the parts that both have."""
    detector = yaml.safe_load(rule.read_text())["detectors"][0]
    return (
        f"[[rules]]\nid = 'servicetoken'\nregex = '''{detector['regex']['token']}'''\nsecretGroup = 1\n"
        f"entropy = {detector['entropy']}\nkeywords = {json.dumps(detector['keywords'])}\n"
    )


def _output(program: Path, arguments: list[str], directory: Path) -> str:
    done = subprocess.run(
        [program, *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=patient(_SECONDS),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
