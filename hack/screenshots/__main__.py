"""`make screenshots`: write the pictures in docs/images, of data and a moment that never change."""

import tempfile
from pathlib import Path
from typing import Final

from common.builders.reported import demo
from common.drivers.browser import SIZES, chromium, visit
from common.repository import ROOT
from servicetokens.cli.reporting.page import Limits, build

PICTURES: Final = {"report-desktop.png": ("desktop", False), "report-phone.png": ("phone", True)}
# As much of the page as shows each kind of thing on it.
HEIGHTS: Final = {"phone": 1600, "desktop": 1250}
FOLDER: Final = ROOT / "docs" / "images"


def main() -> None:
    """Write both: a desktop by day, and a phone at night."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        path = Path(scratch) / "report.html"
        path.write_text(build(demo(), Limits()), encoding="utf-8")
        for name, (size, dark) in PICTURES.items():
            with visit(browser, path, size, dark=dark) as seen:
                width, height = SIZES[size][0], HEIGHTS[size]
                seen.page.screenshot(
                    path=FOLDER / name,
                    full_page=True,
                    clip={"x": 0, "y": 0, "width": width, "height": height},
                )


if __name__ == "__main__":
    main()
