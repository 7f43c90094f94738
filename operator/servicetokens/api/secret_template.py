"""`spec.secret.template` of a ServiceToken: labels, annotations and data that the operator adds to the Secret.

A tenant may have permission to create ServiceTokens and not Secrets, so the template must not become a way to
write Secrets that other software acts on (a release of Helm, a cluster for Argo CD, a data source for
Grafana). No list of such software can be complete, so keys with a prefix are allowed, not forbidden: the
policy `servicetokens-secret-template` accepts those of domains that an administrator has named
(`templates.allowedPrefixes` of the chart). What is never allowed is listed here, where no configuration can
allow it.
"""

from typing import Annotated, Final

from pydantic import Field

from servicetokens.api import names, texts
from servicetokens.api.fields import Text
from servicetokens.api.meta import Model
from servicetokens.api.rules import Rule, Shape, cel_matches, cel_text

# Bounds are needed for the cost estimate of the rules below; a Secret may hold 1 MiB, these use 64 KiB of it.
_MAX_ENTRIES: Final = 16
_MAX_DATA_LENGTH: Final = 4096

# With all their subdomains. The three of Kubernetes are its own and those of its subprojects (apply sets, Cluster API);
# Helm adopts objects, and Argo CD connects clusters, by labels under theirs.
RESERVED_DOMAINS: Final = (names.GROUP, "kubernetes.io", "k8s.io", "x-k8s.io", "helm.sh")
RESERVED_LABEL_DOMAINS: Final = (*RESERVED_DOMAINS, "argocd.argoproj.io")

# Keys without a prefix by which other software finds Secrets: Helm 3 and 2 their releases; the sidecar of
# Grafana what it loads, and where it puts that; that of Loki its rules; Terraform and OpenTofu the state of
# what they manage. The Operator Lifecycle Manager collects what `olm.owner` and similar labels point to.
ACTED_UPON: Final = (
    "owner",
    "OWNER",
    "grafana_alert",
    "grafana_dashboard",
    "grafana_datasource",
    "grafana_folder",
    "grafana_notifier",
    "grafana_plugin",
    "k8s-sidecar-target-directory",
    "loki_rule",
    "tfstate",
    "tfstateSecretSuffix",
    "tfstateWorkspace",
)
ACTED_UPON_BEGINNINGS: Final = ("olm.",)
# Names by which other software finds Secrets, whatever their type: the releases of Helm, tokens of kubeadm, states of
# Terraform and OpenTofu.
RESERVED_NAMES: Final = ("sh.helm.release.", "bootstrap-token-", "tfstate-")


_BACKSLASH: Final = "\\"


def _cel_list(items: tuple[str, ...]) -> str:
    return "[" + ", ".join(cel_text(item) for item in items) + "]"


def _key_rule(kind: str) -> Rule:
    return Rule(
        f"self.all(k, {cel_matches('k', texts.LABEL_KEY)} && "
        f"(!k.contains('/') || size(k.split('/')[0]) <= {texts.MAX_KEY_PREFIX_LENGTH}))",
        f"every key must be that of {kind}, as in 'team' or 'example.com/team'",
        texts.are_label_keys,
    )


def _reserved_rule(domains: tuple[str, ...]) -> Rule:
    ends = tuple(f"{domain}/" for domain in domains)
    return Rule(
        f"self.all(k, !{_cel_list(ends)}.exists(d, k.startsWith(d) || k.contains('.' + d)))",
        f"no key may belong to {', '.join(domains[:-1])} or {domains[-1]}, or to a domain below them",
        lambda keys: texts.are_outside(keys, domains),
        reason="FieldValueForbidden",
    )


def _acted_upon_rule(*more: str) -> Rule:
    words = (*ACTED_UPON, *more)
    return Rule(
        f"self.all(k, !(k in {_cel_list(words)}) && !{_cel_list(ACTED_UPON_BEGINNINGS)}.exists(p, k.startsWith(p)))",
        f"other software acts on Secrets with these keys: {', '.join(words)}, and those that start with "
        f"{', '.join(ACTED_UPON_BEGINNINGS)}; use another one",
        lambda keys: texts.are_not_among(keys, words, ACTED_UPON_BEGINNINGS),
        reason="FieldValueForbidden",
    )


_RESERVED_NAMES_IN_WORDS: Final = f"{', '.join(RESERVED_NAMES[:-1])} or {RESERVED_NAMES[-1]}"
RESERVED_NAME_RULE: Final = Rule(
    f"!{_cel_list(RESERVED_NAMES)}.exists(p, self.startsWith(p))",
    f"must not start with {_RESERVED_NAMES_IN_WORDS}: other software acts on Secrets with such names",
    lambda name: texts.is_free_name(name, RESERVED_NAMES),
    reason="FieldValueForbidden",
)

# On the root, since a Secret without a name in the spec is named after the ServiceToken. Existing objects can
# be edited.
RESERVED_OWN_NAME_RULE: Final = Rule(
    "has(self.spec.secret) && has(self.spec.secret.name) || "
    f"!{_cel_list(RESERVED_NAMES)}.exists(p, self.metadata.name.startsWith(p))",
    "must be set, or the Secret has the name of this object, which must not start with "
    f"{_RESERVED_NAMES_IN_WORDS}: other software acts on Secrets with such names",
    path=".spec.secret.name",
    reason="FieldValueForbidden",
    at_creation=True,
)


LabelValue = Annotated[
    Text,
    Field(max_length=63),
    Shape(
        texts.LABEL_VALUE,
        "must be empty, or consist of letters, digits, '-', '_' and '.', and start and end with a letter or a digit, "
        "as in 'orders'",
    ),
]
AnnotationValue = Annotated[Text, Field(max_length=1024)]
DataValue = Annotated[
    Text,
    Field(max_length=_MAX_DATA_LENGTH),
    Rule(
        f"!{cel_matches('self', texts.TEMPLATE_SYNTAX)}",
        "must have neither '{{' nor '${': a placeholder is a word in single braces, as in {token}; for a brace itself "
        "write \\{, as in $\\{user.home}",
        texts.has_no_template_syntax,
    ),
    Rule(
        f"self.findAll({cel_text(texts.PLACEHOLDER_SHAPE)}).all(p, p.startsWith({cel_text(_BACKSLASH)}) || "
        f"p in {_cel_list(texts.PLACEHOLDERS)})",
        f"has a placeholder that does not exist; those that do are {', '.join(texts.PLACEHOLDERS)}; for a brace itself "
        "write \\{, as in \\{host}",
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
            _reserved_rule(RESERVED_LABEL_DOMAINS),
            _acted_upon_rule(),
        ]
        | None
    ) = Field(
        default=None,
        description=(
            "Labels of the Secret, as in team: orders. A key with a prefix, as in example.com/team, needs a domain "
            "that an administrator has allowed."
        ),
    )
    annotations: (
        Annotated[
            dict[Text, AnnotationValue],
            Field(max_length=_MAX_ENTRIES),
            _key_rule("an annotation"),
            _reserved_rule(RESERVED_DOMAINS),
            _acted_upon_rule("argocd.argoproj.io/tracking-id"),
        ]
        | None
    ) = Field(
        default=None,
        description=(
            "Annotations of the Secret, as in contact: orders. A key with a prefix, as in example.com/contact, needs a "
            "domain that an administrator has allowed."
        ),
    )
    data: (
        Annotated[
            dict[Text, DataValue],
            Field(max_length=_MAX_ENTRIES),
            Rule(
                f"!({cel_text(names.SECRET_KEY)} in self)",
                "the key `token` cannot be set: it always holds the token",
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
            'Additional keys of the Secret, in plain text, as in authorization: "Bearer {token}". The placeholders '
            "{token}, {basic} (base64 of account:token, for HTTP Basic), {id}, {account}, {namespace} and {expires} "
            "are replaced; \\{ is a brace. The key `token` always exists and cannot be set."
        ),
    )
