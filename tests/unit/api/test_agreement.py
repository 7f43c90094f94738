"""The models against the tables that the API server is tested with: both have to give the same answers."""

from typing import Any

import pytest
from pydantic import ValidationError

from admission.table import Case, Rejection, accepted, refused, title
from servicetokens.api import names
from servicetokens.api.meta import Model, describe_errors
from servicetokens.api.service_account import ServiceAccount
from servicetokens.api.service_role import ServiceRole
from servicetokens.api.service_token import ServiceToken

MODELS: dict[str, type[Model]] = {
    names.KIND_TOKEN: ServiceToken,
    names.KIND_ACCOUNT: ServiceAccount,
    names.KIND_ROLE: ServiceRole,
}


@pytest.mark.parametrize("case", accepted(), ids=title)
def test_accepted(case: Case) -> None:
    """Whatever the API server takes, the models take."""
    MODELS[case.manifest["kind"]].model_validate(_as_stored(case.manifest))


@pytest.mark.parametrize("case", [case for case in refused() if not case.unseen_by_models], ids=title)
def test_rejected(case: Rejection) -> None:
    """Whatever the API server rejects, the models reject, unless the row says why they cannot."""
    with pytest.raises(ValidationError):
        MODELS[case.manifest["kind"]].model_validate(_as_stored(case.manifest))


@pytest.mark.parametrize(
    "case",
    [case for case in refused() if not case.unseen_by_models and "unknown" not in case.says],
    ids=title,
)
def test_rejected_for_the_same_field(case: Rejection) -> None:
    """The models blame the field that the API server blames, or one inside of it."""
    with pytest.raises(ValidationError) as caught:
        MODELS[case.manifest["kind"]].model_validate(_as_stored(case.manifest))

    assert _blamed(case.field) in _blamed(describe_errors(caught.value, root=""))


def _blamed(path: str) -> str:
    """Return *path* without brackets: the API server puts some keys of maps into them, pydantic none."""
    return path.replace("[", ".").replace("]", "")


def _as_stored(value: Any) -> Any:
    """Drop null from every map, as the API server does before it validates."""
    if isinstance(value, dict):
        return {key: _as_stored(item) for key, item in value.items() if item is not None}
    return value
