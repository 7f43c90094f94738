"""`spec.rotation` of a ServiceToken: by the clock, on demand, or both."""

from typing import Annotated, ClassVar

from pydantic import Field

from servicetokens.api import values
from servicetokens.api.fields import Duration, Overlap, Text
from servicetokens.api.meta import RuledModel
from servicetokens.api.rules import Rule, Shape, cel_matches, cel_seconds


class Rotation(RuledModel):
    """When a new credential takes over from the old one."""

    every: Duration | None = Field(
        default=None,
        description=(
            "Mint a new credential this long after the last one, as in 20d; from 60s up, and less than "
            "`expiresAfter` (two thirds of it is usual). Without it only a changed `id` rotates."
        ),
    )
    overlap: Overlap | None = Field(
        default=None,
        description=(
            "For how long the old credential is accepted beside the new one, as in 1d; never past its own "
            "expiry, and less than `every`. 0s drops it at once, for one that has leaked. When left out 1h, "
            "or a tenth of `every` where that is less."
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
        description='Any text, as in "2026-11-incident". A change rotates now; taking it away does nothing.',
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.every) || has(self.id)",
            "must set `every`, to rotate by the clock, or `id`, to rotate whenever its value changes",
            lambda rotation: rotation.every is not None or rotation.id is not None,
        ),
        Rule(
            "!has(self.every) || !has(self.overlap) || "
            f"!{cel_matches('self.every', values.DURATION_PATTERN)} || "
            f"!{cel_matches('self.overlap', values.OVERLAP_PATTERN)} || "
            + cel_seconds(["self.overlap", "self.every"], "v[0] < v[1]"),
            "must be shorter than `every`, or more than two credentials would be alive at once",
            lambda rotation: (
                rotation.every is None or rotation.overlap is None or rotation.overlap < rotation.every
            ),
            path=".overlap",
        ),
    )
