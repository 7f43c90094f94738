"""Planning with a mint whose tokens a test can tell by their serial."""

from servicetokens.api.service_token import Credential
from servicetokens.lifecycle import plan as product
from servicetokens.lifecycle.actions import Mint, Plan
from servicetokens.lifecycle.snapshot import Snapshot


def plan(snapshot: Snapshot, now: int) -> Plan:
    """Return the plan for *snapshot*; a token with serial 7 has the id `ID0000000007` and the verifier `verifier-7`."""
    return product.plan(snapshot, now, a_mint)


def a_mint(wanted: Mint) -> Credential:
    """Return a credential whose id and verifier contain its serial."""
    return wanted.credential(f"ID{wanted.serial:010}", f"verifier-{wanted.serial}")
