"""How long the tests of this folder search: briefly and repeatably by default, deeply when a person asks for it.

HYPOTHESIS_PROFILE=deep .venv/bin/pytest tests/property
"""

import os
from typing import Final

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=1000,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# That a mutant fails is all that is asked: the smallest example would take minutes to find, and those that are noticed
# by no other test were noticed within so many examples.
settings.register_profile(
    "mutants",
    settings.get_profile("ci"),
    max_examples=350,
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
)
settings.register_profile("deep", max_examples=5000, stateful_step_count=80, deadline=None)

# Not loaded, since a profile that is loaded holds for the unit tests of the same run, too.
SEARCH: Final = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
