"""What the site of `mkdocs.yml` does beyond MkDocs: folders in `nav`, and links to what is not a page.

The pages are read in the repository as well, where a link to `../config/rbac` is right. On the site it leads to the
repository, if `extra.repository` says where that is, and is plain text with the path in it if not.
"""

import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

_BRANCH: Final = "main"
_LINK: Final = re.compile(r"\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s]+)\)")
_FENCE: Final = re.compile(r"^(?:```.*?^```|~~~.*?^~~~)$", re.MULTILINE | re.DOTALL)
# A logger of MkDocs: with `--strict` its warnings fail the build.
_log: Final = logging.getLogger("mkdocs.plugins.servicetokens")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put pages in the place of `folder/*`."""
    config.nav = expanded(config.nav, Path(config.docs_dir))
    return config


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Send links that leave the site to the repository."""
    source = page.file.src_uri
    return relinked(markdown, source, Path(config.docs_dir), str(config.extra.get("repository") or ""))


def expanded(nav: Any, folder: Path) -> Any:
    """Return *nav* with the pages of *folder* in the place of each `name/*`."""
    listed = set(_pages(nav))
    return _expanded(nav, folder, listed)


def relinked(markdown: str, source: str, folder: Path, repository: str) -> str:
    """Return the page *source* with those links changed that lead out of *folder*."""

    def replace(match: re.Match[str]) -> str:
        text, target = match["text"], match["target"]
        if ":" in target or target.startswith(("#", "/")):
            return match[0]
        path, _, anchor = target.partition("#")
        place = posixpath.normpath(posixpath.join(folder.name, posixpath.dirname(source), path))
        file = folder.parent / place
        if place.startswith(f"{folder.name}/") and not file.is_dir():
            return match[0]
        if not file.exists():
            _log.warning("%s leads to %s, which is not there", source, place)
        if not repository:
            return text if place in text else f"{text} (`{place}`)"
        kind = "tree" if file.is_dir() else "blob"
        end = f"#{anchor}" if anchor else ""
        return f"[{text}]({repository}/{kind}/{_BRANCH}/{place}{end})"

    parts, done = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_LINK.sub(replace, markdown[done : fence.start()]), fence[0]]
        done = fence.end()
    return "".join([*parts, _LINK.sub(replace, markdown[done:])])


def _pages(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for value in nav.values():
            yield from _pages(value)
    else:
        for item in nav:
            yield from _pages(item)


def _expanded(nav: Any, folder: Path, listed: set[str]) -> Any:
    if isinstance(nav, dict):
        return {title: _expanded(value, folder, listed) for title, value in nav.items()}
    if isinstance(nav, str):
        return nav
    found = []
    for item in nav:
        if isinstance(item, str) and item.endswith("/*"):
            pages = (path.relative_to(folder).as_posix() for path in sorted(folder.glob(f"{item}.md")))
            found += [page for page in pages if page not in listed]
        else:
            found.append(_expanded(item, folder, listed))
    return found
