"""`spec.secret.template` of a ServiceToken: what else the operator writes into the Secret for its owner.

A tenant may be allowed to create ServiceTokens and not Secrets, so the template must not become a way to
write Secrets that other software acts upon (a cluster for Argo CD, a service account token of Kubernetes).
"""

from typing import Annotated, Final

from pydantic import Field

from servicetokens.api import names, texts
from servicetokens.api.fields import Text
from servicetokens.api.meta import Model
from servicetokens.api.rules import Rule, cel_matches, cel_text

# Bounds are needed for the cost estimate of the rules below; a Secret may hold 1 MiB, these use 64 KiB of it.
_MAX_ENTRIES: Final = 16
_MAX_DATA_LENGTH: Final = 4096

_OURS_AND_KUBERNETES: Final = (f"{names.GROUP}/", "kubernetes.io/", "k8s.io/")
RESERVED_LABELS: Final = (*_OURS_AND_KUBERNETES, "argocd.argoproj.io/")
RESERVED_ANNOTATIONS: Final = (
    *_OURS_AND_KUBERNETES,
    "kubectl.kubernetes.io/",
    "argocd.argoproj.io/tracking-id",
)


def _cel_list(items: tuple[str, ...]) -> str:
    return "[" + ", ".join(cel_text(item) for item in items) + "]"


def _key_rule(kind: str) -> Rule:
    return Rule(
        f"self.all(k, {cel_matches('k', texts.LABEL_KEY)} && "
        f"(!k.contains('/') || size(k.split('/')[0]) <= {texts.MAX_KEY_PREFIX_LENGTH}))",
        f"every key must be that of {kind}, as in 'team' or 'example.com/team'",
        texts.are_label_keys,
    )


def _reserved_rule(prefixes: tuple[str, ...], message: str) -> Rule:
    return Rule(
        f"self.all(k, !{_cel_list(prefixes)}.exists(p, k.startsWith(p)))",
        message,
        lambda keys: texts.have_no_prefix(keys, prefixes),
        reason="FieldValueForbidden",
    )


LabelValue = Annotated[Text, Field(max_length=63, pattern=texts.LABEL_VALUE)]
AnnotationValue = Annotated[Text, Field(max_length=1024)]
DataValue = Annotated[
    Text,
    Field(max_length=_MAX_DATA_LENGTH),
    Rule(
        " && ".join(f"!self.contains({cel_text(syntax)})" for syntax in texts.TEMPLATE_SYNTAX),
        "must have neither '{{' nor '${': a placeholder is a word in single braces, as in {token}",
        texts.has_no_template_syntax,
    ),
    Rule(
        f"self.findAll({cel_text(texts.PLACEHOLDER_SHAPE)}).all(p, p in {_cel_list(texts.PLACEHOLDERS)})",
        f"has a placeholder that does not exist; those that do are {', '.join(texts.PLACEHOLDERS)}",
        texts.has_known_placeholders,
    ),
]


class SecretTemplate(Model):
    """Labels, annotations and further keys of the Secret."""

    labels: (
        Annotated[
            dict[Text, LabelValue],
            Field(max_length=_MAX_ENTRIES),
            _key_rule("a label"),
            _reserved_rule(
                RESERVED_LABELS,
                "no key may belong to servicetokens.dev, kubernetes.io, k8s.io or argocd.argoproj.io",
            ),
        ]
        | None
    ) = Field(
        default=None,
        description=(
            "Labels of the Secret, as in team: orders. Keys of servicetokens.dev, kubernetes.io, k8s.io and "
            "argocd.argoproj.io are refused."
        ),
    )
    annotations: (
        Annotated[
            dict[Text, AnnotationValue],
            Field(max_length=_MAX_ENTRIES),
            _key_rule("an annotation"),
            _reserved_rule(
                RESERVED_ANNOTATIONS,
                "no key may belong to servicetokens.dev, kubernetes.io or k8s.io, or be "
                "argocd.argoproj.io/tracking-id",
            ),
        ]
        | None
    ) = Field(
        default=None,
        description=(
            "Annotations of the Secret, as in example.com/owner: orders. Keys of servicetokens.dev, "
            "kubernetes.io and k8s.io are refused."
        ),
    )
    data: (
        Annotated[
            dict[Text, DataValue],
            Field(max_length=_MAX_ENTRIES),
            Rule(
                f"!({cel_text(names.SECRET_KEY)} in self)",
                "the key `token` cannot be set: the token itself is always there",
                lambda data: texts.lacks_key(data, names.SECRET_KEY),
                reason="FieldValueForbidden",
            ),
            Rule(
                f"self.all(k, {cel_matches('k', texts.SECRET_DATA_KEY)} && k != '.' && !k.startsWith('..'))",
                "every key must be one that a Secret can have: letters, digits, '-', '_' and '.'",
                texts.are_secret_data_keys,
            ),
        ]
        | None
    ) = Field(
        default=None,
        description=(
            'More keys for the Secret, in plain text, as in authorization: "Bearer {token}". The words '
            "{token}, {id}, {account}, {namespace} and {expires} are filled in. The key `token` is there "
            "anyway, and cannot be set."
        ),
    )
