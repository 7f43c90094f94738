"""Readable YAML: block style, long texts folded, keys in the order given."""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from servicetokens.crdgen.build import custom_resource_definition
from servicetokens.crdgen.kinds import KINDS

COMMAND: Final = "make generate"
HEADER: Final = f"""\
# Generated from the models in operator/servicetokens/api by `{COMMAND}`
# (python -m servicetokens.crdgen). Do not edit it: change the models and generate it again.
"""
# As in the source code. Longer texts are folded; a word longer than a line stays whole.
_WIDTH: Final = 110
# Where folding starts: the rest of a line at the depth of a field of a field.
_FOLD_FROM: Final = 80


class _Dumper(yaml.SafeDumper):
    """The safe dumper without anchors (equal texts are not references), and with long texts folded."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        """Write everything out."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # A text with quotation marks in it reads better without quotation marks around it.
    folded = " " in text and (len(text) >= _FOLD_FROM or "'" in text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=">" if folded else None)


_Dumper.add_representer(str, _represent_text)


def files() -> dict[str, str]:
    """Return the content of every file in `crds/` by its name."""
    return {f"{kind.plural}.yaml": HEADER + render(custom_resource_definition(kind)) for kind in KINDS}


def stream() -> str:
    """Return all CRDs as one YAML stream, for `kubectl apply -f -`."""
    return "---\n".join(render(custom_resource_definition(kind)) for kind in KINDS)


def render(document: Mapping[str, Any]) -> str:
    """Return *document* as YAML."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
