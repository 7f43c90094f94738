"""`spec.rotation` of a ServiceToken: automatic, on demand, or both."""

from typing import Annotated, ClassVar

from pydantic import Field

from servicetokens.api import values
from servicetokens.api.fields import Duration, Overlap, Text
from servicetokens.api.meta import RuledModel
from servicetokens.api.rules import Rule, Shape, cel_matches, cel_seconds


class Rotation(RuledModel):
    """When a new credential replaces the old one."""

    every: Duration | None = Field(
        default=None,
        description=(
            "Interval of automatic rotations, as in 20d; at least 60s, and less than `expiresAfter` (two "
            "thirds of it is usual). If omitted, only a changed `id` rotates."
        ),
    )
    overlap: Overlap | None = Field(
        default=None,
        description=(
            "How long the old credential stays valid alongside the new one, as in 1d; never longer than "
            "its own expiration, and less than `every`. 0s ends it immediately, for one that has leaked. "
            "Defaults to 1h, or a tenth of `every` if that is less."
        ),
    )
    id: (
        Annotated[
            Text,
            Field(max_length=64),
            Shape("^[ -~]+$", "must be one line of printable ASCII characters, as in '2026-11-incident'"),
        ]
        | None
    ) = Field(
        default=None,
        description='Any text, as in "2026-11-incident". Changing it rotates now; removing it does nothing.',
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.every) || has(self.id)",
            "must set `every`, to rotate at an interval, or `id`, to rotate when its value changes",
            lambda rotation: rotation.every is not None or rotation.id is not None,
        ),
        Rule(
            "!has(self.every) || !has(self.overlap) || "
            f"!{cel_matches('self.every', values.DURATION_PATTERN)} || "
            f"!{cel_matches('self.overlap', values.OVERLAP_PATTERN)} || "
            + cel_seconds(["self.overlap", "self.every"], "v[0] < v[1]"),
            "must be shorter than `every`, or more than two credentials would be valid at the same time",
            lambda rotation: (
                rotation.every is None or rotation.overlap is None or rotation.overlap < rotation.every
            ),
            path=".overlap",
        ),
    )
