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
        "    if it.alive.current is None or any(",
        "    if ahead or any(",
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
    Mutant(
        "says nothing while a webhook for Secrets hangs",
        "controllers/reconcile/execute.py",
        "return error.status > 0 or error.timed_out",
        "return error.status > 0",
        ("tests/unit/controllers/reconcile/test_execute.py",),
    ),
    Mutant(
        "tells of a failure although the write was applied",
        GATHER,
        "if secret is not None and is_whole and self._memories.was_applied(",
        "if secret is None and self._memories.was_applied(",
        ("tests/unit/controllers/reconcile/test_execute.py",),
    ),
    Mutant(
        "takes an immutable Secret for one that was replaced",
        GATHER,
        "secret.belongs_to(token) and not secret.immutable\n",
        "secret.belongs_to(token)\n",
        ("tests/unit/controllers/reconcile/test_execute.py",),
    ),
    Mutant(
        "deletes an immutable Secret whose successor is refused",
        "controllers/reconcile/execute.py",
        "        await self._rehearse(token.namespace, fresh, hidden)\n",
        "",
        ("tests/unit/controllers/reconcile/test_execute.py",),
    ),
    Mutant(
        "tries again before it has told of a failure",
        "controllers/reconcile/memory.py",
        "not_before=max(entry.not_before, now + 1) if entry.is_untold else entry.not_before,",
        "not_before=entry.not_before,",
        ("tests/unit/controllers/reconcile/test_execute.py",),
    ),
    Mutant(
        "calls a token usable until a lost one is replaced",
        PLAN,
        "        return _withdrawn(it, arrival)\n",
        "        return None\n",
    ),
    Mutant(
        "takes a compromise for a lost Secret once its delivery was refused",
        CREDENTIALS,
        "        if lifetime.is_cut(status.mint_time or now, cut_of(snapshot), now):\n",
        "        if status.mint_time is None:\n",
    ),
    Mutant(
        "takes a refused import for a lost Secret",
        PLAN,
        "(status.mint_time is None and last is not None and last.is_imported)",
        "(status.mint_time is None and last is None)",
    ),
    Mutant(
        "lets tokens whose webhook hangs occupy every worker",
        SCHEDULE,
        "shared = max(waiting // _REFUSALS_PER_SECOND, int(waiting * took / _WAITING_WORKERS - took))",
        "shared = waiting // _REFUSALS_PER_SECOND",
        ("tests/unit/controllers/reconcile/test_memory.py",),
    ),
    Mutant(
        "takes a webhook that fails for one namespace for an API server that is away",
        "controllers/queue/pool.py",
        " and not error.is_of_a_webhook:",
        ":",
        ("tests/unit/controllers/queue/test_pool.py",),
    ),
    Mutant(
        "calls a token active between its end and the next delivery",
        VERDICTS,
        "        types.append(ConditionType.ACTIVE)\n",
        "        pass\n",
    ),
    Mutant(
        "forgets during a delivery that the token is revoked",
        VERDICTS,
        'if said is None or said.status != "False":\n',
        "if True:\n",
    ),
    Mutant(
        "says of a Secret that cannot be compared that it holds something else",
        VERDICTS,
        "snapshot.secret is not None and snapshot.keys.newest is None:",
        "snapshot.secret is None and snapshot.keys.newest is None:",
    ),
    Mutant(
        "calls an account active while it is being deleted",
        "lifecycle/account.py",
        "    if account.deleting:\n",
        "    if not account.uid:\n",
    ),
    Mutant(
        "calls a role usable while it is being deleted",
        "lifecycle/role.py",
        "    if role.deleting:\n",
        "    if not role.uid:\n",
    ),
)
