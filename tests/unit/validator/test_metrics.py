"""What Prometheus sees: bounded labels, and the numbers that they promise."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from common.builders.presenting import Surroundings
from servicetokens.validator.metrics import DecisionCounts, UsageNumbers, ValidatorCollector, ValidatorNumbers


def read(
    around: Surroundings, *all_counts: DecisionCounts, end: float | None = 5.0
) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return every sample, by name and label values, as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(
        ValidatorCollector(
            all_counts,
            around.index,
            around.clock,
            lambda: ValidatorNumbers(
                usage=UsageNumbers(writes=1, failures=2, pending=3),
                certificate_end=end,
                keys_usable=True,
                connections={"forwardauth": 4},
            ),
        )
    )
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_answers_are_counted_by_listener_result_and_reason() -> None:
    """No label names a token, an account or a namespace."""
    counts = DecisionCounts("forwardauth")
    counts.accepted, counts.unavailable = 7, 2
    counts.reject("Revoked")
    found = read(Surroundings(), counts)
    name = "servicetokens_validator_requests_total"
    assert found[name, ("forwardauth", "", "accepted")] == 7
    assert found[name, ("forwardauth", "", "unavailable")] == 2
    assert found[name, ("forwardauth", "Revoked", "rejected")] == 1
    assert found["servicetokens_validator_last_used_pending", ()] == 3
    assert found["servicetokens_validator_connections", ("forwardauth",)] == 4
    assert found["servicetokens_tls_certificate_expiration_timestamp_seconds", ()] == 5


def test_credentials_are_counted_by_the_keys_that_we_have() -> None:
    """So that an old key can be retired; ids that a user wrote into a status make no labels."""
    around = Surroundings()
    stranger = around.credential(around.mint(), uid="u-2")
    stranger["verifier"] |= {"keyID": "anybody's words"}
    around.put_token(uid="u-2", name="other", credentials=[stranger])
    found = read(around)
    name = "servicetokens_validator_credentials"
    assert {labels: value for (metric, labels), value in found.items() if metric == name} == {
        ("k1",): 1,
        ("unknown",): 1,
    }
    around.remove_token("u-2")
    around.remove_token("u-1")
    assert {value for (metric, _), value in read(around).items() if metric == name} == {0}
    assert around.index.by_key == {}


def test_without_a_certificate_there_is_no_expiration() -> None:
    """A zero would ring an alarm."""
    assert "servicetokens_tls_certificate_expiration_timestamp_seconds" not in {
        name for name, _ in read(Surroundings(), end=None)
    }
