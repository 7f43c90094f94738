"""Rules for secret scanners in config/scanners, from the one place that knows the format."""

from pathlib import Path
from string import Template
from typing import Final

from common.repository import ROOT
from servicetokens.tokens.format import pattern_of

FOLDER: Final = ROOT / "config" / "scanners"
PREFIX: Final = "svt"
_NAMES: Final = ("gitleaks.toml", "trufflehog.yaml", "detect_secrets_plugin.py")


def render() -> dict[Path, str]:
    """Return each file with the rule in it; the constant part is in the template next to this module."""
    return {FOLDER / name: _rendered(name) for name in _NAMES}


def _rendered(name: str) -> str:
    text = (Path(__file__).parent / "templates" / f"{name}.template").read_text()
    return Template(text).substitute(prefix=PREFIX, pattern=pattern_of(PREFIX))
