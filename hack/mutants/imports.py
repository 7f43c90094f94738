"""Mistakes about values that are imported."""

from typing import Final

from mutants.mutant import CHECKS, CREDENTIALS, Mutant

IMPORTING: Final = "lifecycle/importing.py"
IMPORTED: Final = "tokens/imported.py"

MUTANTS: Final = (
    Mutant(
        "takes an imported value for one that it has minted",
        "api/origin.py",
        "credential_id.startswith(_IMPORTED_PREFIX)",
        "credential_id == _IMPORTED_PREFIX",
        ("tests/unit/tokens/test_imported.py",),
    ),
    Mutant(
        "imports again when status was lost",
        IMPORTING,
        "return None if was_minted or asked.until <= now else asked",
        "return None if asked.until <= now else asked",
    ),
    Mutant(
        "imports again when the credentials are gone",
        IMPORTING,
        "if asked is None or status.serial is not None or status.credentials:",
        "if asked is None or status.credentials:",
    ),
    Mutant(
        "imports although it is too late",
        IMPORTING,
        "return None if was_minted or asked.until <= now else asked",
        "return None if was_minted else asked",
    ),
    Mutant(
        "mints without waiting for the value to be imported",
        CHECKS,
        "    import_is_impossible,  #",
        "    #",
    ),
    Mutant(
        "keeps an imported value through a rotation of a lost Secret",
        CREDENTIALS,
        "return None if is_over and snapshot.token.status.mint_time is not None else alive.older",
        "return alive.older",
    ),
    Mutant(
        "ends an imported value with an overlap",
        CREDENTIALS,
        "end = lifetime.earliest(importing.end_of(older, spec, now), rotated_at)",
        "pass",
    ),
    Mutant(
        "takes an imported value for the current credential",
        CREDENTIALS,
        "if current.origin is Origin.IMPORTED or _is_rotated_out(token.status, current):",
        "if _is_rotated_out(token.status, current):",
    ),
    Mutant(
        "revives an imported value that is over",
        IMPORTING,
        "if spec is None or (stored is not None and stored <= now):",
        "if spec is None:",
    ),
    Mutant(
        "lets an imported value live for more than ninety days",
        IMPORTED,
        "min(until, mint_time + MAX_SECONDS)",
        "until",
    ),
    Mutant(
        "keeps an imported value that nobody asks for any more",
        IMPORTED,
        "last = mint_time if until is None",
        "last = mint_time + MAX_SECONDS if until is None",
    ),
    Mutant(
        "imports a value that begins as our own tokens do",
        IMPORTED,
        'if value.startswith(f"{prefix}_"):',
        'if value.startswith("_"):',
    ),
    Mutant(
        "leaves the key out of the handle",
        IMPORTED,
        r'keys.digest(key_id, f"{_CONTEXT}\0{value}").hex()',
        r'f"{_CONTEXT}\0{value}".encode().hex()',
    ),
)
