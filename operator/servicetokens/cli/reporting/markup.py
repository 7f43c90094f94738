"""HTML put together from elements: whatever is text is escaped by the standard library, since it is never markup."""

import base64
import hashlib
from typing import Final
from xml.etree.ElementTree import Element, tostring

from servicetokens.runtime.logs import redact
from servicetokens.runtime.terminal import escape_controls

# A description may have 1024 characters, and a page thousands of them; the object itself has the rest.
MAX_TEXT: Final = 300

Child = Element | str


def element(tag: str, *children: Child, **attributes: str) -> Element:
    """Return `<tag>` with *children*. `class_` stands for `class`, and `data_label` for `data-label`."""
    made = Element(
        tag, {name.rstrip("_").replace("_", "-"): text(value) for name, value in attributes.items()}
    )
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + text(child)
        else:
            made.text = (made.text or "") + text(child)
    return made


def text(words: str) -> str:
    """Return what may be shown of *words*: at most `MAX_TEXT` characters, and of a token only its public id."""
    shown = foreign(words)
    return shown if len(shown) <= MAX_TEXT else f"{shown[: MAX_TEXT - 1]}…"


def foreign(words: str) -> str:
    """Return what others wrote, with control characters escaped; of a token only its public id is left."""
    return escape_controls(redact(words), keep="\n\t")


def document(title: str, style: str, body: Element) -> str:
    """Return a page that may load nothing, run nothing and send nothing, and has no style but *style*."""
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    sheet = Element("style")
    sheet.text = style
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        sheet,
    )
    page = element("html", head, body, lang="en")
    return "<!DOCTYPE html>\n" + tostring(page, encoding="unicode", method="html") + "\n"
