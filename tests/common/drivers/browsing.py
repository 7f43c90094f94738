"""Pages in a real browser: what the tests of the site and of the report have in common."""

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from common.drivers.browser import ChromiumMissing, chromium, find_chromium

# Words in tables that are drawn on more than one line. Hidden heads are not drawn.
_BROKEN = """([cells, word, longest]) => {
  const broken = [];
  for (const cell of document.querySelectorAll(cells)) {
    if (cell.closest('thead') && getComputedStyle(cell.closest('thead')).position === 'absolute') continue;
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      for (const found of walker.currentNode.data.matchAll(new RegExp(word, 'g'))) {
        const range = document.createRange();
        range.setStart(walker.currentNode, found.index);
        range.setEnd(walker.currentNode, found.index + found[0].length);
        const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
        if (found[0].length <= longest && lines.size > 1) broken.push(found[0]);
      }
    }
  }
  return broken;
}"""


@contextlib.contextmanager
def one_browser() -> Iterator[Browser]:
    """Give a Chromium; without one, skip: the first tests of a newcomer need only Python and Go. CI has it."""
    try:
        find_chromium()
    except ChromiumMissing as missing:
        pytest.skip(str(missing))
    with chromium() as running:
        yield running


def broken_words(page: Page, cells: str, *, word: str, longest: int) -> list[str]:
    """Return the words of up to *longest* characters in *cells*, a CSS selector, that are drawn on several lines.

    *word* is a regular expression of JavaScript: a line may end at what it does not match.
    """
    found = page.evaluate(_BROKEN, [cells, word, longest])
    assert isinstance(found, list)
    return found
