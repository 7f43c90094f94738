"""The operator's key Secret in a fake API."""

from typing import Any, Final

from common.fakes.api import SECRETS, FakeApi, Place
from servicetokens.api.names import KEYS_SECRET

NAMESPACE: Final = "servicetokens"
_PLACE: Final[Place] = (SECRETS, NAMESPACE, KEYS_SECRET)


class KeySecret(FakeApi):
    """A fake API with the key Secret in it, whose *data* are the keys; with None it does not exist."""

    def __init__(self, data: object = None) -> None:
        super().__init__()
        self.data = data

    @property
    def data(self) -> Any:
        """The keys as they are stored."""
        return self.objects.get(_PLACE, {}).get("data")

    @data.setter
    def data(self, data: object) -> None:
        if data is None:
            self.remove(_PLACE)
        else:
            self.put(_PLACE, {"data": data})
