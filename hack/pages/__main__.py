"""`python -m pages`: write the generated files, or with `--check` fail when one is not what would be written.

The pages, and the copies of `crds/` and `config/` in the chart: Helm reads nothing outside a chart, and links would
not do, since Flux leaves them out of what it fetches.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from common.drivers.helm import CHART
from common.repository import ROOT
from pages import (
    chart,
    commands,
    events,
    fields,
    licences,
    limits,
    metrics,
    olm,
    picture,
    promises,
    reasons,
    scanners,
)

COPIED: Final = {
    "crds": ["crds/*.yaml"],
    "config": ["config/rbac*/rbac*.yaml", "config/policies/polic*.yaml"],
}


def wanted() -> Mapping[Path, str]:
    """Return every generated file with what has to be in it."""
    pages = {
        ROOT / "docs" / "reference" / "metrics.md": metrics.render(),
        events.PAGE: events.render(),
        licences.PAGE: licences.render(),
        promises.PAGE: promises.render(),
        limits.PAGE: limits.render(),
        picture.PATH: picture.render(),
        reasons.PAGE: reasons.render(),
        chart.README: chart.render(),
        chart.PAGE: chart.page(),
        # Templates cannot read the chart's own values.yaml, and put its defaults where a value is null.
        chart.FILES / "values.yaml": (CHART / "values.yaml").read_text(),
    }
    copies = {
        chart.FILES / folder / path.name: path.read_text()
        for folder, patterns in COPIED.items()
        for pattern in patterns
        for path in sorted(ROOT.glob(pattern))
    }
    return {**pages, **fields.pages(), **commands.pages(), **copies, **olm.render(), **scanners.render()}


def main() -> None:
    """Write or check."""
    files = wanted()
    copies = {path for folder in COPIED for path in (chart.FILES / folder).glob("*")}
    strange = sorted(str(path.relative_to(ROOT)) for path in copies - set(files))
    if strange:
        sys.exit(f"nothing is copied to {', '.join(strange)} any more; remove it")
    for path, text in files.items():
        if sys.argv[1:] != ["--check"]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"out of date: {path.relative_to(ROOT)}; run `make generate`")


if __name__ == "__main__":
    main()
