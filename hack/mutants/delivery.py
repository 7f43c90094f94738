"""Mistakes about the order of writes, and about what is true before, during and after a delivery."""

from typing import Final

from mutants.mutant import ARRIVAL, CHECKS, CREDENTIALS, PLAN, Mutant

VERDICTS: Final = "lifecycle/verdicts.py"
SCHEDULE: Final = "lifecycle/schedule.py"
GATHER: Final = "controllers/reconcile/gather.py"
HANDOVER: Final = ("tests/unit/controllers/reconcile/test_handover.py",)

MUTANTS: Final = (
    Mutant(
        "does not recognise HTTP Basic in a Secret, and writes it again and again",
        "lifecycle/content.py",
        'basic = _basic(_note(annotations).get("user"), token)',
        'basic = _basic("", token)',
        ("tests/unit/lifecycle/test_content.py",),
    ),
    Mutant(
        "fills in a placeholder whose brace is escaped",
        "lifecycle/content.py",
        "(?P<brace>{texts.ESCAPED_BRACE})",
        "(?P<brace>{texts.ESCAPED_BRACE}{texts.ESCAPED_BRACE})",
        ("tests/unit/lifecycle/test_content.py",),
    ),
    Mutant(
        "rotates without validators knowing the next value first",
        PLAN,
        "        ahead=_ahead(it, arrival),\n",
        "",
    ),
    Mutant(
        "lists a credential before it is delivered where nothing accepted is in the Secret",
        ARRIVAL,
        "    elif before is None:\n        return None\n",
        "",
    ),
    Mutant(
        "begins the overlap at the mint",
        ARRIVAL,
        "        return Arrival(_at(it, pending, delivered_now(it.snapshot, it.now)))\n",
        "        return Arrival(_at(it, pending, pending.mint_time))\n",
    ),
    Mutant(
        "ends the old one although the new one is not delivered",
        PLAN,
        "tuple(item for item in (older, current, pending) if item is not None)",
        "tuple(item for item in (older, None if pending else current, pending) if item is not None)",
    ),
    Mutant(
        "lets a leaked one live until the new one is delivered",
        ARRIVAL,
        "    elif overlap_of(snapshot.token.spec) == 0:\n        before = None\n",
        "",
    ),
    Mutant(
        "calls a token ready between its end and the next delivery",
        PLAN,
        "    if ahead is None or it.alive.current is None or any(",
        "    if ahead is None or ahead or any(",
    ),
    Mutant(
        "calls a refused Secret in sync",
        VERDICTS,
        "{Reason.SECRET_CONFLICT, Reason.SECRET_MISSING, Reason.DELIVERY_FAILED}",
        "{Reason.SECRET_CONFLICT, Reason.SECRET_MISSING}",
    ),
    Mutant(
        "keeps a pending credential whose plaintext is gone",
        CREDENTIALS,
        "    return newest if waits else None\n",
        "    return newest\n",
    ),
    Mutant(
        "does not see that a pending credential has arrived",
        CREDENTIALS,
        "    if is_held(snapshot, newest):\n        end =",
        "    if False:\n        end =",
    ),
    Mutant(
        "believes the mint time of one that is marked as pending",
        CREDENTIALS,
        "    newest = _put_right(snapshot, newest, now)\n",
        "",
        ("tests/unit/lifecycle/test_edited_delivery.py",),
    ),
    Mutant(
        "takes one that is over and marked as pending for one that is on its way",
        CREDENTIALS,
        "        return newest if end is None or end > now else None\n",
        "        return newest\n",
        ("tests/unit/lifecycle/test_edited_delivery.py",),
    ),
    Mutant(
        "adopts what was minted for another account",
        ARRIVAL,
        "        and snapshot.memory.minted_for == account.uid\n",
        "",
    ),
    Mutant(
        "mints again what the Secret holds already",
        ARRIVAL,
        "    for candidate in (pending, minted):\n",
        "    for candidate in (pending,):\n",
    ),
    Mutant(
        "brings back one that was rotated out",
        CREDENTIALS,
        "    return token_id is not None and credential.id != token_id and credential.serial < serial\n",
        "    return token_id == '' and credential.serial < serial\n",
    ),
    Mutant(
        "answers a refused Secret ever more rarely",
        SCHEDULE,
        "delay = min(_LONGEST_DELIVERY_DELAY, 1 <<",
        "delay = min(_LONGEST_DELAY, 1 <<",
    ),
    Mutant(
        "calls a token ready that never lived",
        CHECKS,
        "    end_has_passed_before_the_start,  #",
        "    #",
    ),
    Mutant(
        "calls a token active while it is being deleted",
        PLAN,
        "        return _say_that_it_goes(snapshot, now)\n",
        "        return Plan()\n",
    ),
    Mutant(
        "takes a Secret for lost that its watch has not told of yet",
        GATHER,
        "            or self._is_behind(known, token, memory)\n",
        "",
        HANDOVER,
    ),
    Mutant(
        "takes a 404 for the end of a token whose deletion nobody has told of",
        GATHER,
        "                raise Conflict(message) from None\n",
        "                self._caches.drop_token(place)\n",
        ("tests/unit/controllers/reconcile/test_gather.py",),
    ),
    Mutant(
        "mints over a Secret that is newer than the status it knows",
        GATHER,
        "    return secret.serial > max(listed)\n",
        "    return False\n",
        HANDOVER,
    ),
    Mutant(
        "believes its own credential where another operator has written one of that serial",
        GATHER,
        "if memory.minted is not None and secret.holds(memory.minted):",
        "if memory.minted is not None and secret.serial == memory.minted.serial:",
        HANDOVER,
    ),
)
