"""The report as a person sees it: in Chromium, on a phone and on a desktop, by day and by night."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from common.builders.reported import account, demo, inventory, many, token
from common.drivers.browser import SIZES, ChromiumMissing, find_chromium, visit
from common.drivers.browsing import broken_words, one_browser
from common.repository import ROOT
from screenshots.__main__ import FOLDER, PICTURES
from servicetokens.cli.reporting.inventory import Inventory
from servicetokens.cli.reporting.page import Limits, build

LONG = "w" * 63
SMALLEST_TEXT = 12
# WCAG 2.2, 1.4.3, level AA, for text of ordinary size.
LEAST_CONTRAST = 4.5

# Every element with text of its own: its size, and its contrast to what is behind it.
TEXTS = """() => {
  const light = (rgb) => {
    const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parts = (color) => color.match(/[0-9.]+/g).map(Number);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = parts(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  return [...document.body.querySelectorAll("*")]
    .filter(node => [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim()))
    .map(node => {
      const style = getComputedStyle(node);
      const [front, back] = [light(parts(style.color).slice(0, 3)), light(behind(node))];
      const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
      return {text: node.textContent.slice(0, 40), size: parseFloat(style.fontSize), contrast};
    });
}"""
WIDTHS = "() => [document.documentElement.scrollWidth, window.innerWidth]"
OUTSIDE = """() => [...document.body.querySelectorAll("*")]
  .filter(node => !node.closest("thead") && node.getBoundingClientRect().right > window.innerWidth + 0.5)
  .map(node => node.tagName + ": " + node.textContent.slice(0, 40))"""


def longest() -> Inventory:
    """Return names and texts as long as they may be, without a space to break them at."""
    accounts = [account(LONG, LONG, displayName="W" * 128, description="W" * 300, roles=[LONG] * 16)]
    tokens = [
        token(LONG, LONG, f"{LONG[:-1]}{n}", description="W" * 300, stalled="W" * 300, overlap=1, ends=9)
        for n in range(3)
    ]
    return inventory(accounts, tokens)


PAGES: dict[str, Callable[[], Inventory]] = {
    "demo": demo,
    "empty": lambda: inventory([], []),
    "longest": longest,
    "many": lambda: many(10_000),
    "hostile": lambda: inventory(
        [account("a", "b", description="<script>document.title='x'</script><img src=//evil.example/x>")],
        [token("a", "b", "c", description="</td><iframe src=https://evil.example/>", ends=2)],
    ),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all pages."""
    with one_browser() as running:
        yield running


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a report."""
    path = tmp_path_factory.mktemp("report") / f"{request.param}.html"
    path.write_text(build(PAGES[request.param](), Limits()), encoding="utf-8")
    return path


@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
@pytest.mark.parametrize("size", SIZES)
def test_it_fits_is_legible_and_asks_for_nothing(browser: Browser, page: Path, size: str, dark: bool) -> None:
    """Nothing sticks out to the right, no text is too small or too faint, the console is empty."""
    with visit(browser, page, size, dark=dark) as seen:
        width, screen = seen.page.evaluate(WIDTHS)
        assert width <= screen == SIZES[size][0]
        assert seen.page.evaluate(OUTSIDE) == []
        texts = seen.page.evaluate(TEXTS)
        assert texts
        assert [one for one in texts if one["size"] < SMALLEST_TEXT] == []
        assert [one for one in texts if one["contrast"] < LEAST_CONTRAST] == []
        assert seen.console == []
        assert seen.requests == [page.as_uri()]
        assert seen.page.title() == "Service tokens of the whole cluster"


@pytest.mark.parametrize("width", [390, 780, 1280])
def test_no_word_is_broken_inside(browser: Browser, tmp_path: Path, width: int) -> None:
    """Headings and words of up to 15 letters, as `accountRef.name`, are on one line, with longer ones around."""
    path = tmp_path / "report.html"
    names = [f"{'long-name-' * 6}{number}" for number in range(3)]
    words = "the field accountRef.name of the Account is wrong " * 5
    tokens = [token("team-with-a-long-name", "an-account", name, description=words, ends=2) for name in names]
    path.write_text(
        build(inventory([account("team-with-a-long-name", "an-account")], tokens), Limits()), "utf-8"
    )
    with visit(browser, path, "phone") as seen:
        seen.page.set_viewport_size({"width": width, "height": 800})
        assert seen.page.evaluate("() => document.querySelectorAll('td').length") > 10
        assert broken_words(seen.page, "td, th", word=r"\S+", longest=15) == []


def test_night_is_dark(browser: Browser, tmp_path: Path) -> None:
    """The two differ as the person asked for."""
    path = tmp_path / "report.html"
    path.write_text(build(demo(), Limits()), encoding="utf-8")
    colors = []
    for dark in (False, True):
        with visit(browser, path, "phone", dark=dark) as seen:
            colors.append(seen.page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
    assert colors == ["rgb(246, 247, 249)", "rgb(15, 19, 24)"]


def test_on_a_phone_rows_become_cards_that_are_still_rows(browser: Browser, tmp_path: Path) -> None:
    """Each value has its column's name next to it, and what reads aloud still finds a table."""
    path = tmp_path / "report.html"
    path.write_text(build(demo(), Limits()), encoding="utf-8")
    with visit(browser, path, "phone") as seen:
        cell = seen.page.locator("#revoked [role=row] [role=cell]").first
        assert cell.evaluate("node => getComputedStyle(node, '::before').content") == '"Token"'
        assert cell.evaluate("node => getComputedStyle(node).display") == "grid"
        assert seen.page.get_by_role("table").count() > 1
        assert seen.page.get_by_role("columnheader", name="Last used").count() > 1
        levels = seen.page.locator("h1, h2, h3").evaluate_all("nodes => nodes.map(node => +node.tagName[1])")
        assert levels[0] == 1
        assert all(below - above <= 1 for above, below in pairwise(levels))


def test_a_number_leads_to_its_list(browser: Browser, tmp_path: Path) -> None:
    """By a link, which is what a page without scripts has."""
    path = tmp_path / "report.html"
    path.write_text(build(demo(), Limits()), encoding="utf-8")
    with visit(browser, path, "phone") as seen:
        for anchor in ("stuck", "expiring", "unused", "overlap", "revoked", "accounts"):
            seen.page.locator(f"a[href='#{anchor}']").click()
            assert seen.page.url.endswith(f"#{anchor}")
            assert seen.page.locator(f"#{anchor}").is_visible()


def test_the_policy_would_stop_a_script(browser: Browser, tmp_path: Path) -> None:
    """Were one to get onto the page after all, and the same for a picture from elsewhere."""
    path = tmp_path / "report.html"
    bad = "<script>document.title = 'broken'</script><img src='https://evil.example/x'></body>"
    path.write_text(build(demo(), Limits()).replace("</body>", bad), encoding="utf-8")
    with visit(browser, path, "desktop") as seen:
        assert seen.page.title() == "Service tokens of the whole cluster"
        assert any("Content Security Policy" in line for line in seen.console)


def test_the_pictures_in_the_docs_are_there() -> None:
    """`make screenshots` makes them; docs/guides/report.md shows them."""
    text = (ROOT / "docs" / "guides" / "report.md").read_text()
    for name in PICTURES:
        assert (FOLDER / name).read_bytes().startswith(b"\x89PNG")
        assert f"](../images/{name})" in text


def test_without_chromium_the_test_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is skipped."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    with pytest.raises(ChromiumMissing, match="apt-get install chromium"):
        find_chromium()
