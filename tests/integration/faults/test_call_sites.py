"""No call of the API server without a case for how it fails."""

from common.drivers.callsites import (
    AT_START,
    OF_A_TOKEN,
    OF_THE_PLUGIN,
    OF_THE_PROOF,
    OF_THE_SMOKE_TEST,
    OF_THE_VALIDATOR,
    call_sites,
)


def test_every_call_has_a_case() -> None:
    """Anyone who adds a call adds it to the table, and with it its faults."""
    tried = {name.split(" ")[0] for name in (*OF_A_TOKEN, *AT_START, *OF_THE_PROOF)} | OF_THE_VALIDATOR
    tried |= OF_THE_SMOKE_TEST | OF_THE_PLUGIN
    assert {name for name in tried if not name.startswith("kopf's")} == call_sites()
