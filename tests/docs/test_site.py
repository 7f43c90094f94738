"""The pages as a site: it builds without a warning, loads nothing from other hosts, and leaves no page out."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from common.drivers.browser import SIZES, visit
from common.drivers.browsing import broken_words, one_browser
from common.repository import ROOT
from controlplane.waiting import patient
from pages import site

DOCS = ROOT / "docs"
REPOSITORY = "https://code.example/servicetokens"
# What a browser fetches without being asked; links that a user has to click on are none.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src"}


class Fetched(HTMLParser):
    """Collects the addresses that a page has fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        values = dict(attrs)
        if tag in FETCHED and values.get("rel") != "canonical":
            self.found.append(values.get(FETCHED[tag]) or "")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it, with a repository to link to."""
    directory = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [Path(sys.executable).parent / "mkdocs", "build", "--strict", "--site-dir", directory],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "SERVICETOKENS_REPOSITORY": REPOSITORY, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=patient(100),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return directory


def test_every_page_is_there(built: Path) -> None:
    """Each page of docs/ is a page of the site."""
    missing = []
    for page in DOCS.glob("**/*.md"):
        place = page.relative_to(DOCS)
        folder = built / (place.parent if place.stem == "index" else place.with_suffix(""))
        if not (folder / "index.html").is_file():
            missing.append(str(place))
    assert missing == []


CELLS = ".md-typeset td, .md-typeset th"
# Pages with the widest tables, of each kind: fields, flags, values, symptoms, threats.
WIDE = (
    "reference/kinds/service-token",
    "reference/cli/servicetokens-validator",
    "reference/chart",
    "guides/troubleshooting",
    "concepts/security",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all pages."""
    with one_browser() as running:
        yield running


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", WIDE)
def test_tables_scroll_instead_of_breaking_words(built: Path, browser: Browser, page: str, size: str) -> None:
    """On a phone and on a desktop: no name of a field is torn apart, and no page is wider than the screen."""
    with visit(browser, built / page / "index.html", size) as seen:
        assert seen.page.locator(".md-typeset td").count() > 10
        assert broken_words(seen.page, CELLS, word=r"[^\s/:<>-]+", longest=40) == []
        assert seen.page.evaluate("() => document.documentElement.scrollWidth") <= SIZES[size][0]


def test_the_drawing_is_readable_on_a_phone(built: Path, browser: Browser) -> None:
    """Its smallest text has almost ten pixels, and it scrolls instead of widening the page."""
    drawing = (DOCS / "images" / "overview.svg").read_text()
    drawn = re.findall(r'<svg [^>]*viewBox="0 0 (\d+) ', drawing)[0]
    smallest = min(int(size) for size in re.findall(r"font(?:-size)?: (\d+)px", drawing))
    with visit(browser, built / "index.html", "phone") as seen:
        shown = seen.page.locator("img[src$='overview.svg']").bounding_box()
        assert shown is not None
        assert smallest * shown["width"] / int(drawn) >= 9.5
        assert seen.page.evaluate("() => document.documentElement.scrollWidth") <= SIZES["phone"][0]


def test_a_page_loads_nothing_from_other_hosts(built: Path) -> None:
    """No font, script or picture comes from another host: it is read where there is no network."""
    foreign = set()
    for page in built.glob("**/*.html"):
        parser = Fetched()
        parser.feed(page.read_text())
        assert parser.found
        foreign |= {address for address in parser.found if "//" in address}
    for style in built.glob("**/*.css"):
        foreign |= set(re.findall(r"(?:url\(|@import )['\"]?(?:https?:)?//[^)'\"]*", style.read_text()))
    assert foreign == set()


def test_the_theme_does_not_know_a_repository(built: Path) -> None:
    """Its script would ask the host of the repository about it."""
    assert "md-source" not in (built / "index.html").read_text().replace("md-source-file", "")


@pytest.mark.parametrize(
    ("link", "at_home", "with_repository"),
    [
        (
            "[rights](../config/rbac)",
            "rights (`config/rbac`)",
            f"[rights]({REPOSITORY}/tree/main/config/rbac)",
        ),
        ("[crds](../crds#x)", "crds", f"[crds]({REPOSITORY}/tree/main/crds#x)"),
        ("[a](../README.md#install)", "a (`README.md`)", f"[a]({REPOSITORY}/blob/main/README.md#install)"),
        ("[TLS](tls.md)", "[TLS](tls.md)", "[TLS](tls.md)"),
        ("[away](https://a.example/)", "[away](https://a.example/)", "[away](https://a.example/)"),
        ("```sh\n[x](../crds)\n```", "```sh\n[x](../crds)\n```", "```sh\n[x](../crds)\n```"),
    ],
)
def test_links_to_files_lead_to_the_repository(link: str, at_home: str, with_repository: str) -> None:
    """Or are the file's path, as long as the repository's address is not configured."""
    assert site.relinked(link, "operations.md", DOCS, "") == at_home
    assert site.relinked(link, "operations.md", DOCS, REPOSITORY) == with_repository


def test_a_link_to_a_missing_file_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """As a warning, which fails the build."""
    site.relinked("[x](../nothing)", "operations.md", DOCS, REPOSITORY)
    assert "operations.md leads to nothing, which is not there" in caplog.text


def test_a_folder_stands_for_its_pages() -> None:
    """All that are not listed elsewhere, in the order of their names."""
    nav = [{"A": ["guides/runbooks/keys.md"]}, {"B": ["index.md", "guides/runbooks/*"]}]
    assert site.expanded(nav, DOCS) == [
        {"A": ["guides/runbooks/keys.md"]},
        {
            "B": [
                "index.md",
                "guides/runbooks/certificates.md",
                "guides/runbooks/leak.md",
                "guides/runbooks/restore.md",
            ]
        },
    ]
