"""docs/images/overview.svg: boxes and arrows, drawn from `templates/overview.txt`, for light and dark screens."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from common.repository import ROOT

PATH: Final = ROOT / "docs" / "images" / "overview.svg"
SOURCE: Final = Path(__file__).parent / "templates" / "overview.txt"

# Pixels at full size. A label has to fit into the gap between two boxes: it is about 6.5 pixels for each letter.
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 188, 58, 64, 54, 16
# What an arrow's head needs before the box that it points to.
_HEAD: Final = 8
_STYLE: Final = """\
text { font: 13px system-ui, sans-serif; fill: #24292f; text-anchor: middle }
.title { font-weight: 600; font-size: 15px }
.label { font-size: 12px; fill: #57606a; stroke: #ffffff; stroke-width: 5px; paint-order: stroke }
.start { text-anchor: start }
.paper { fill: #ffffff }
.box { fill: #eef1fb; stroke: #3f51b5; stroke-width: 1.5 }
.arrow { fill: none; stroke: #57606a; stroke-width: 1.5; marker-end: url(#head) }
.head { fill: #57606a }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .label { fill: #9da7b3; stroke: #14161d }
  .paper { fill: #14161d }
  .box { fill: #222739; stroke: #8c9eff }
  .arrow { stroke: #9da7b3 }
  .head { fill: #9da7b3 }
}
"""


@dataclass(frozen=True)
class Box:
    """A box of the picture, in its place in the grid."""

    column: int
    row: int
    title: str
    line: str

    @property
    def left(self) -> int:
        """Pixels from the left."""
        return _MARGIN + self.column * (_WIDTH + _GAP_X)

    @property
    def top(self) -> int:
        """Pixels from the top."""
        return _MARGIN + self.row * (_HEIGHT + _GAP_Y)

    @property
    def center(self) -> tuple[int, int]:
        """Pixels from the left and from the top."""
        return self.left + _WIDTH // 2, self.top + _HEIGHT // 2


def render() -> str:
    """Return the picture.

    Raises:
        ValueError: a line of the source is none of those that its head describes.
    """
    title = text = ""
    boxes: dict[str, Box] = {}
    drawn: list[str] = []
    for line in SOURCE.read_text().splitlines():
        word, _, rest = line.partition(" ")
        parts = [part.strip() for part in rest.split("|")]
        match [word, *parts]:
            case ["#", *_]:
                continue
            case ["title", title]:
                continue
            case ["text", text]:
                continue
            case ["box", place, heading, below]:
                column, row, name = place.split()
                boxes[name] = Box(int(column), int(row), heading, below)
            case ["arrow", ends, label]:
                drawn += _arrow(ends.split(), boxes, label)
            case _:
                message = f"{SOURCE.name}: {line!r} is neither a box nor an arrow"
                raise ValueError(message)
    right = max(box.left for box in boxes.values()) + _WIDTH + _MARGIN
    bottom = max(box.top for box in boxes.values()) + _HEIGHT + _MARGIN
    body = "\n".join([*drawn, *(line for box in boxes.values() for line in _box(box))])
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right} {bottom}" role="img" aria-labelledby="title text">
<title id="title">{escape(title)}</title>
<desc id="text">{escape(text)}</desc>
<style>
{_STYLE}</style>
<defs><marker id="head" viewBox="0 0 10 10" refX="2" refY="5" markerWidth="7" markerHeight="7" orient="auto">\
<path class="head" d="M0 0L10 5L0 10z"/></marker></defs>
<rect class="paper" width="{right}" height="{bottom}" rx="8"/>
{body}
</svg>
"""


def _box(box: Box) -> Iterator[str]:
    x, y = box.center
    yield f'<rect class="box" x="{box.left}" y="{box.top}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
    yield f'<text class="title" x="{x}" y="{y - 4}">{escape(box.title)}</text>'
    yield f'<text x="{x}" y="{y + 15}">{escape(box.line)}</text>'


def _arrow(ends: list[str], boxes: Mapping[str, Box], label: str) -> Iterator[str]:
    start, end = (boxes[name] for name in ends)
    (x1, y1), (x2, y2) = start.center, end.center
    if start.row == end.row:
        side = 1 if x2 > x1 else -1
        x1, x2 = x1 + side * _WIDTH // 2, x2 - side * (_WIDTH // 2 + _HEAD)
        yield f'<path class="arrow" d="M{x1} {y1}H{x2}"/>'
        yield f'<text class="label" x="{(x1 + x2) // 2}" y="{y1 - 8}">{escape(label)}</text>'
        return
    side = 1 if y2 > y1 else -1
    y1 += side * _HEIGHT // 2
    if start.column == end.column:
        y2 -= side * (_HEIGHT // 2 + _HEAD)
        yield f'<path class="arrow" d="M{x1} {y1}V{y2}"/>'
        yield f'<text class="label" x="{x1}" y="{(y1 + y2) // 2 + 4}">{escape(label)}</text>'
        return
    x2 -= _WIDTH // 2 + _HEAD
    yield f'<path class="arrow" d="M{x1} {y1}V{y2}H{x2}"/>'
    yield f'<text class="label start" x="{x1 + 10}" y="{y2 - 8}">{escape(label)}</text>'
