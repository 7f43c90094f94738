"""The reasons: one word and one meaning each."""

from servicetokens.api.reasons import REJECTIONS, Reason


def test_every_reason_has_a_meaning_of_its_own() -> None:
    """Two reasons of one meaning would be one reason."""
    meanings = [reason.meaning for reason in Reason]
    assert all(meanings)
    assert len(set(meanings)) == len(meanings)


def test_a_reason_is_its_word() -> None:
    """In conditions, logs and metrics, and read back from them."""
    assert f"{Reason.REVOKED}" == "Revoked"
    assert Reason("Revoked") is Reason.REVOKED


def test_no_rejection_is_listed_twice() -> None:
    """Each has a series of its own in the metrics."""
    assert len(set(REJECTIONS)) == len(REJECTIONS)
