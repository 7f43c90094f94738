"""Mistakes of the validator: what it accepts, and what it says about it."""

from typing import Final

from mutants.mutant import Mutant

AUTHENTICATOR: Final = "authn/authenticator.py"
READING: Final = "authn/reading.py"
TABLES: Final = "authn/tables.py"
AUTHN: Final = ("tests/unit/authn",)
REMOVAL: Final = ("tests/property/test_removal.py",)

MUTANTS: Final = (
    Mutant(
        "lets a token without roles pass every request",
        AUTHENTICATOR,
        "roles or (self._allow_without_roles and not asks_for_roles(record))",
        "roles or not asks_for_roles(record)",
        AUTHN,
    ),
    Mutant(
        "grants more when the last role of an account is removed",
        AUTHENTICATOR,
        "roles or (self._allow_without_roles and not asks_for_roles(record))",
        "roles or not asks_for_roles(record)",
        REMOVAL,
    ),
    Mutant(
        "lets every token without roles pass where accounts may have none",
        AUTHENTICATOR,
        "roles or (self._allow_without_roles and not asks_for_roles(record))",
        "roles or self._allow_without_roles",
        AUTHN,
    ),
    Mutant(
        "allows every request when the last rule of a role is removed",
        READING,
        "        http=None\n        if spec.http is None\n",
        "        http=None\n        if not spec.http\n",
        REMOVAL,
    ),
    Mutant(
        "grants a role to all namespaces when the last one is removed",
        READING,
        "        if spec.allowed_namespaces == (_EVERY_NAMESPACE,)\n",
        "        if spec.allowed_namespaces in ((_EVERY_NAMESPACE,), ())\n",
        REMOVAL,
    ),
    Mutant(
        "reads an entry that restricts nothing as a rule",
        READING,
        "    if any(rule.hosts is rule.methods is rule.paths is None for rule in spec.http or ()):",
        "    if False:",
        AUTHN,
    ),
    Mutant(
        "grants a role to all namespaces once the others are removed from its list",
        READING,
        "    if _EVERY_NAMESPACE in spec.allowed_namespaces and len(spec.allowed_namespaces) > 1:",
        "    if False:",
        AUTHN,
    ),
    Mutant(
        "grants a role that is being deleted",
        TABLES,
        "        if item.metadata.deletion_timestamp is not None:\n            self.remove(item.metadata)\n",
        "        if False:\n            self.remove(item.metadata)\n",
        AUTHN,
    ),
    Mutant(
        "says that a role that is being deleted is granted",
        "lifecycle/snapshot.py",
        "    return None if role is None or role.deleting else role\n",
        "    return role\n",
    ),
)
