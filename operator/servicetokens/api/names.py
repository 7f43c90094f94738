"""Names that other software knows us by. Changing one breaks manifests, RBAC rules or stored objects."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

GROUP: Final = "servicetokens.dev"
# Never "v1": kustomize's built-in name rules match kind and version in any group, and would rewrite the
# `serviceAccountName` of pods as soon as a kind called ServiceAccount had a version of that name.
VERSION: Final = "v1beta1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

KIND_TOKEN: Final = "ServiceToken"
KIND_ACCOUNT: Final = "ServiceAccount"
KIND_ROLE: Final = "ServiceRole"
PLURAL_TOKENS: Final = "servicetokens"
PLURAL_ACCOUNTS: Final = "serviceaccounts"
PLURAL_ROLES: Final = "serviceroles"
# Not a plural of ours: kubectl expands a category before it looks for a plural, and `kubectl delete
# servicetokens --all` would delete the accounts too.
CATEGORY: Final = "servicetokens-all"

SECRET_TYPE: Final = "servicetokens.dev/token"
SECRET_KEY: Final = "token"
LABEL_TOKEN_SECRET: Final = f"{GROUP}/token-secret"
# Which ServiceToken a Secret is of, for when a backup tool has restored it without its owner.
ANNOTATION_TOKEN_NAME: Final = f"{GROUP}/token-name"
ANNOTATION_TOKEN_ID: Final = f"{GROUP}/token-id"
ANNOTATION_SERIAL: Final = f"{GROUP}/serial"
# A witness of the mint that whoever may edit status alone cannot move: a later `mintTime` there is put right.
ANNOTATION_MINT_TIME: Final = f"{GROUP}/mint-time"
ANNOTATION_EXPIRES: Final = f"{GROUP}/expires"
# Marks a Secret whose credential has expired; the Secret itself stays, since a pod that mounts it must still
# start.
ANNOTATION_EXPIRED: Final = f"{GROUP}/expired"
# The name by which the API server records our writes in `managedFields`: our User-Agent up to its first slash.
FIELD_MANAGER: Final = "servicetokens"
# Which keys the template put into the Secret, so that keys taken out of the template leave it and others
# stay.
ANNOTATION_TEMPLATE: Final = f"{GROUP}/template"

# On the CRDs: code that finds an older revision than its own refuses to run, since an older schema would drop
# a restriction such as `allowedCIDRs` silently. Raise it with every field or rule that restricts.
ANNOTATION_SCHEMA_REVISION: Final = f"{GROUP}/schema-revision"
SCHEMA_REVISION: Final = 3

# Argo CD must neither report the minted Secret as drift nor prune it: it is in nobody's Git.
ARGO_ANNOTATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
        "argocd.argoproj.io/sync-options": "Prune=false",
    },
)

# In the operator's own namespace.
KEYS_SECRET: Final = "servicetokens-hmac-keys"
VALIDATOR_TLS_SECRET: Final = "servicetokens-validator-tls"
BUNDLE_RESERVE_DAYS: Final = 60
"""So many days before the end of a CA the next one signs: two lives of the validators' certificate."""
OPERATOR_LEASE: Final = "servicetokens-operator"
DEFAULT_NAMESPACE: Final = "servicetokens"
DEFAULT_PREFIX: Final = "svt"

IMPORTED_ID_PREFIX: Final = "imp-"
"""How ids of imported values begin. No token that was minted has a `-` in its id, so neither is taken for the other."""


def is_imported_id(credential_id: str) -> bool:
    """Say whether a credential was imported rather than minted: the shapes of a credential have it as `is_imported`."""
    return credential_id.startswith(IMPORTED_ID_PREFIX)
