"""`spec.import` of a ServiceToken: an existing value from another system, accepted until a cut-over date."""

from typing import Annotated, Final

from pydantic import Field

from servicetokens.api import texts
from servicetokens.api.fields import DnsSubdomain, Text, Time
from servicetokens.api.meta import Model
from servicetokens.api.rules import Rule, Shape

DEFAULT_KEY: Final = "token"

DataKey = Annotated[
    Text,
    Field(max_length=253),
    Shape(
        texts.SECRET_DATA_KEY,
        "must be a key that a Secret can have: letters, digits, '-', '_' and '.', as in 'token'",
    ),
]


class ImportSource(Model):
    """Where the value is stored at the moment of the import."""

    name: DnsSubdomain = Field(
        description="Name of a Secret in this namespace, of any type except servicetokens.dev/token."
    )
    key: DataKey | None = Field(
        default=None, description=f"Key in the Secret that holds the value; defaults to `{DEFAULT_KEY}`."
    )


class ImportSpec(Model):
    """What is imported, and for how long it is accepted."""

    secret_ref: ImportSource = Field(
        description=(
            "Secret that holds the value. It is read once, when the first token is minted: later changes "
            "have no effect, and it may be deleted. Cannot be changed."
        )
    )
    until: Time = Field(
        description=(
            "Cut-over date, in RFC 3339 with a time zone, as in 2027-01-31T00:00:00Z: from then on the "
            "imported value is rejected. At most 90 days after the import, and before the token expires "
            "or is rotated automatically. Any rotation also makes the imported value invalid."
        )
    )


# At the root of the object: a rule on the field itself would be skipped when it appears. `import` is a word of CEL,
# which Kubernetes escapes.
ONE_ACT: Final = Rule(
    "!has(self.spec.__import__) || (has(oldSelf.spec.__import__) && "
    "self.spec.__import__.secretRef == oldSelf.spec.__import__.secretRef)",
    "can be set only when the ServiceToken is created, and its `secretRef` never changes; create another "
    "ServiceToken to import a value",
    path=".spec.import",
    reason="FieldValueForbidden",
)
