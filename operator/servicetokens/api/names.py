"""Names that other software depends on. Changing one breaks manifests, RBAC rules or stored objects."""

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
# The ServiceToken that a Secret belongs to, for Secrets that a backup tool has restored without their owner.
ANNOTATION_TOKEN_NAME: Final = f"{GROUP}/token-name"
ANNOTATION_TOKEN_ID: Final = f"{GROUP}/token-id"
ANNOTATION_SERIAL: Final = f"{GROUP}/serial"
# A record of the mint time that write access to `status` alone cannot change: a later `mintTime` there is
# corrected.
ANNOTATION_MINT_TIME: Final = f"{GROUP}/mint-time"
ANNOTATION_EXPIRES: Final = f"{GROUP}/expires"
# Marks a Secret whose credential has expired. The Secret is kept, since a pod that mounts it must still
# start.
ANNOTATION_EXPIRED: Final = f"{GROUP}/expired"
# The manager that the API server records for our writes in `managedFields`: our User-Agent up to its first
# slash.
FIELD_MANAGER: Final = "servicetokens"
# The keys that the template added to the Secret, so that keys removed from the template are removed and
# others stay.
ANNOTATION_TEMPLATE: Final = f"{GROUP}/template"

# On the CRDs: code that finds an older revision than its own does not run, since an older schema would drop a
# restriction such as `allowedCIDRs` silently. Raise it with every field or rule that restricts.
ANNOTATION_SCHEMA_REVISION: Final = f"{GROUP}/schema-revision"
SCHEMA_REVISION: Final = 3

# Argo CD must neither report the minted Secret as drift nor prune it: it is in no Git repository.
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
"""Days before the expiration of a CA at which the next one starts to sign: two lifetimes of the validators'
certificate."""
OPERATOR_LEASE: Final = "servicetokens-operator"
DEFAULT_NAMESPACE: Final = "servicetokens"
DEFAULT_PREFIX: Final = "svt"
