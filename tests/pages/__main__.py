"""`python -m pages`: write the generated pages, or with `--check` fail when one is not what would be written."""

import sys
from pathlib import Path

from pages import metrics

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


def main() -> None:
    """Write or check."""
    wanted = metrics.render()
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text() != wanted:
            sys.exit("out of date: docs/metrics.md; run `make generate`")
    else:
        PAGE.write_text(wanted)


if __name__ == "__main__":
    main()
