"""Mutants of the validators' certificate after a clock that was ahead, or the loss of its CA."""

from typing import Final

from mutants.mutant import Mutant

_ISSUING: Final = "controllers/pki/issuing.py"
_TESTS: Final = ("tests/unit/controllers/pki/test_issuing.py",)

MUTANTS: Final = (
    Mutant(
        "keeps a certificate that clients do not take yet",
        _ISSUING,
        "leaf.has_begun(now) and ",
        "",
        _TESTS,
    ),
    Mutant(
        "signs with a CA that clients do not take yet",
        _ISSUING,
        "tuple(one for one in authorities if one.has_begun(now))",
        "tuple(authorities)",
        _TESTS,
    ),
    Mutant(
        "replaces the certificate as soon as the Secret with its CA is lost",
        _ISSUING,
        "        if now < authority.ends and leaf.is_signed_by(authority):\n",
        "        if False:\n",
        _TESTS,
    ),
    Mutant(
        "keeps a certificate that somebody put there after the CA was lost",
        _ISSUING,
        " or signer.begins < leaf.begins or ",
        " or ",
        _TESTS,
    ),
)
