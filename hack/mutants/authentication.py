"""Mistakes of the validator: what it accepts, and what it says about it."""

from typing import Final

from mutants.mutant import Mutant

EVALUATION: Final = "authn/evaluation.py"
READING: Final = "authn/reading.py"
TABLES: Final = "authn/tables.py"
AUTHN: Final = ("tests/unit/authn",)
CLAIMS: Final = ("tests/unit/authn/test_claims.py",)
AUDIT: Final = ("tests/unit/validator/test_audit.py",)
REMOVAL: Final = ("tests/property/test_removal.py",)
ACCEPTANCE: Final = "policy/acceptance.py"
AGREEMENT: Final = ("tests/property/test_agreement.py",)

MUTANTS: Final = (
    *(
        Mutant(f"accepts what is {what}", ACCEPTANCE, before, after, ("tests/unit/policy",))
        for what, before, after in (
            ("being deleted", "lambda it, _now: it.deleting", "lambda _it, _now: False"),
            ("revoked", "lambda it, _now: it.revoked", "lambda _it, _now: False"),
            ("in its last second", "it.end <= now", "it.end < now"),
            ("of another account", "it.minted_for != it.account_uid", "not it.minted_for"),
        )
    ),
    Mutant(
        "forgets in Active that the token is revoked",
        "lifecycle/acceptance.py",
        'revoked=token.spec is not None and token.spec.state == "Revoked",',
        "revoked=False,",
        AGREEMENT,
    ),
    Mutant(
        "forgets in Active that the account is suspended",
        "lifecycle/acceptance.py",
        'account_suspended=account_spec is not None and account_spec.state == "Suspended",',
        "account_suspended=False,",
        AGREEMENT,
    ),
    Mutant(
        "takes what was lost after its delivery for something that was never delivered",
        "authn/reading.py",
        "if was_delivered or succeeded_at > credentials[0].mint_time:",
        "if succeeded_at > credentials[0].mint_time:",
        ("tests/unit/authn/test_claims.py",),
    ),
    Mutant(
        "lets a token without roles pass every request",
        EVALUATION,
        "roles or (self._allow_without_roles and not asks_for_roles(record))",
        "roles or not asks_for_roles(record)",
        AUTHN,
    ),
    Mutant(
        "grants more when the last role of an account is removed",
        EVALUATION,
        "roles or (self._allow_without_roles and not asks_for_roles(record))",
        "roles or not asks_for_roles(record)",
        REMOVAL,
    ),
    Mutant(
        "lets every token without roles pass where accounts may have none",
        EVALUATION,
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
    Mutant(
        "gives up at a claimant whose key it does not know",
        EVALUATION,
        "                is_verifiable = is_verifiable and credential.key_id in keys.ids\n",
        "                if credential.key_id not in keys.ids:\n                    return _UNKNOWN_KEY\n",
        CLAIMS,
    ),
    Mutant(
        "drops a claimant when there are many",
        "authn/claims.py",
        "        self._others.setdefault(token_id, {})[record.compact_uid] = record\n",
        "        others = self._others.setdefault(token_id, {})\n"
        "        if len(others) >= 15:\n            return\n"
        "        others[record.compact_uid] = record\n",
        CLAIMS,
    ),
    Mutant(
        "tries every claimant although one was proven",
        "authn/claims.py",
        "        if others is None or self._is_proven(token_id, first):",
        "        if others is None:",
        CLAIMS,
    ),
    Mutant(
        "takes a claimant for proven whose credential has changed",
        "authn/claims.py",
        "    return owner.compact_uid, credential.serial, credential.minted\n",
        "    return owner.compact_uid, 0, b''\n",
        CLAIMS,
    ),
    Mutant(
        "spends as much on claimants as anybody asks for",
        EVALUATION,
        "        self._left -= count\n",
        "",
        CLAIMS,
    ),
    Mutant(
        "refuses an unknown id without a keyed hash",
        EVALUATION,
        "claims.claimants(token_id) or self._dummies\n",
        "claims.claimants(token_id)\n        if not claimants:\n            return self._find_ended(token_id)\n",
        CLAIMS,
    ),
    Mutant(
        "finds the kept decision by the id of the token alone",
        "authn/decision_cache.py",
        "        value = token.encode(",
        "        value = token[:16].encode(",
        CLAIMS,
    ),
    Mutant(
        "gives a request the answer of an earlier decision about its token",
        "validator/rendered.py",
        "        entry = self._entries.get(id(accepted))\n",
        "        entry = next(iter(self._entries.values()), None)\n",
        ("tests/unit/validator/test_rendered.py",),
    ),
    Mutant(
        "reports the use of a token at each change of its objects",
        "validator/use_reporting.py",
        "            if self._due.get(decision.token_id, now) <= now:\n",
        "            if True:\n",
        ("tests/unit/validator/test_use_reporting.py",),
    ),
    Mutant(
        "forgets a credential the moment it ends",
        "authn/claims.py",
        "            self._ended[token_id] = ended\n            self._ended.move_to_end(token_id)\n",
        "            return\n            self._ended.move_to_end(token_id)\n",
        CLAIMS,
    ),
    Mutant(
        "takes a token that is claimed again for one that has ended",
        "authn/claims.py",
        "        if token_id not in self.first:\n            self._ended",
        "        if token_id:\n            self.first.pop(token_id, None)\n            self._ended",
        CLAIMS,
    ),
    Mutant(
        "forgets which token an expired object had",
        TABLES,
        "        if item.status is not None and item.status.token_id:",
        "        if False:",
        CLAIMS,
    ),
    Mutant(
        "revives a credential that is put back after its rotation",
        READING,
        "            succeeded = credentials\n",
        "            pass\n",
        CLAIMS,
    ),
    Mutant(
        "lifts the overlap for whatever is marked as pending",
        READING,
        "        and item.status.token_id == older.id\n",
        "",
        CLAIMS,
    ),
    Mutant(
        "lets a leaked one live beside one that is marked as pending",
        READING,
        "        and spec.overlap > 0\n",
        "",
        CLAIMS,
    ),
    Mutant(
        "names in the log whoever names an ended id as his own",
        "authn/claims.py",
        "        elif known is not None and (ended.is_named_only or not known.is_named_only):\n            return\n",
        "",
        CLAIMS,
    ),
    Mutant(
        "forgets whose an ended id was when a copy claims it",
        "authn/claims.py",
        "if ended is not None and (ended.is_named_only or ended.is_of(record.account.namespace, record.name)):",
        "if ended is not None:",
        CLAIMS,
    ),
    Mutant(
        "accepts a credential that is not among the newest two",
        READING,
        "    return stored[: _MOST_CREDENTIALS - is_missing]\n",
        "    return stored[:_MOST_CREDENTIALS]\n",
        CLAIMS,
    ),
    Mutant(
        "lets a client that fails too often hide a token that exists",
        "validator/audit.py",
        "if is_limited and not is_known:",
        "if is_limited:",
        AUDIT,
    ),
    Mutant(
        "never says how many lines were left out after the last one",
        "validator/audit.py",
        "        self._strangers.report_left_out()\n        self._known.report_left_out()\n",
        "        self._strangers.report_left_out()\n",
        AUDIT,
    ),
)
