"""The policy and its exceptions, as people write them: the custom resources of group rollcall.dev.

Every field says what it does and what holds where it is left out; `docs/policy-fields.md` is generated from here. What
a type can't say (patterns that parse, names that are there once) `rollcall.policy.check` says.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

MOST_RULES: Final = 64
MOST_DIGESTS: Final = 2000

UNMATCHED: Final = "(unmatched)"
UNRESOLVED: Final = "(unresolved)"
LIMITS: Final = "(limits)"
TAG_MOVED: Final = "(tag-moved)"
RESERVED: Final = (UNMATCHED, UNRESOLVED, LIMITS, TAG_MOVED)
"""Names of what fails without a rule of its own."""


def said(what: str, otherwise: str = "must be given") -> Meta:
    """Describe a field: what it does, and what holds where it is left out."""
    return Meta(description=what, extra={"otherwise": otherwise})


class Severity(StrEnum):
    """How bad a violation is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Mode(StrEnum):
    """Whether anybody is alerted. The verdict is the same."""

    AUDIT = "Audit"
    ALERT = "Alert"


class Effect(StrEnum):
    """What a rule says of what matches it."""

    ALLOW = "Allow"
    DENY = "Deny"


class Unmatched(StrEnum):
    """What an image gets that no rule speaks of, in a policy with an Allow rule."""

    VIOLATION = "Violation"
    ALLOW = "Allow"


class Unresolved(StrEnum):
    """What a container gets of whose image neither a name nor a digest is known."""

    VIOLATION = "Violation"
    ERROR = "Error"
    ALLOW = "Allow"


class TagMoved(StrEnum):
    """What a tag gets that leads to another digest than before."""

    IGNORE = "Ignore"
    REPORT = "Report"
    VIOLATION = "Violation"


class Operator(StrEnum):
    """How an expression of a label selector compares."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class ResourceName(StrEnum):
    """A resource that can be limited."""

    MEMORY = "memory"
    CPU = "cpu"


class Part(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """The base of all parts of a policy: immutable, named in camelCase, without fields that it does not know."""


class Expression(Part, frozen=True, kw_only=True):
    """One expression of a label selector."""

    key: Annotated[str, said("Key of the label.")]
    operator: Annotated[Operator, said("How to compare. `NotIn` and `DoesNotExist` hold where the label is missing.")]
    values: Annotated[
        tuple[str, ...], said("Values to compare with, for `In` and `NotIn` alone.", "none, as the other two need")
    ] = ()


class LabelSelector(Part, frozen=True, kw_only=True):
    """Kubernetes' label selector: all that is said must hold, an empty one always does."""

    match_labels: Annotated[dict[str, str], said("Labels that must all be there, with these values.", "any")] = {}
    match_expressions: Annotated[tuple[Expression, ...], said("Expressions that must all hold.", "any")] = ()


class NamespaceSelector(LabelSelector, frozen=True, kw_only=True):
    """Namespaces by name and by label."""

    names: Annotated[
        tuple[str, ...], said("Names, or patterns as `prod-*`: one of them must match the whole name.", "any name")
    ] = ()


class Match(Part, frozen=True, kw_only=True):
    """Which containers are meant: all that is said must hold. An empty one means those of every pod."""

    namespaces: Annotated[
        NamespaceSelector | None, said("Namespaces, by name and by label: both must match.", "every namespace")
    ] = None
    pods: Annotated[
        LabelSelector | None,
        said("Pods by their labels, which their owner chooses: where it matters, go by namespaces.", "every pod"),
    ] = None
    nodes: Annotated[LabelSelector | None, said("Nodes by their labels.", "every node")] = None
    containers: Annotated[
        tuple[str, ...], said("Names of containers, or patterns: one of them must match the whole name.", "any name")
    ] = ()
    outside_kubernetes: Annotated[
        bool,
        said(
            "True adds the containers outside Kubernetes to what `namespaces` and `pods` mean; where neither is there, "
            "it means those outside alone.",
            "false",
        ),
    ] = False
    sandboxes: Annotated[bool, said("True means the pods' sandboxes (pause containers) as well.", "false")] = False


class Rule(Part, frozen=True, kw_only=True):
    """One rule: all fields that are there must match, and of a field's items one."""

    name: Annotated[str, said("Name, once in a policy: up to 63 of a-z 0-9 - and `.`; exceptions go by it.")]
    effect: Annotated[
        Effect, said("Whether what matches is approved or refused. Any Deny outweighs every Allow, in any order.")
    ]
    images: Annotated[
        tuple[str, ...],
        said(
            "Repositories as asked for: names or patterns, as `nginx`, `ghcr.io/acme/*`, `*.example.com/**`, `*/**`.",
            "any, even an unknown one",
        ),
    ] = ()
    tags: Annotated[
        tuple[str, ...],
        said("Tags as asked for (`latest` where none was): names or patterns, as `v1.*`.", "any, even none"),
    ] = ()
    digests: Annotated[
        tuple[str, ...],
        said(
            "Digests that the runtime reports: `sha256:` or `sha512:` and lower-case hex; of an index, a manifest or a "
            "config. What was asked for is never looked at, and what the image is called elsewhere approves nothing.",
            "any, and an approval is trust in a name",
        ),
    ] = ()
    reason: Annotated[str, said("Why this rule is there: people see it in the alert.", "nothing")] = ""
    link: Annotated[str, said("Where to read more: people see it in the alert.", "nothing")] = ""


class Amounts(Part, frozen=True, kw_only=True):
    """An amount of each resource, written as Kubernetes does."""

    memory: Annotated[str | int | float | None, said("Bytes, as `512Mi`.", "any")] = None
    cpu: Annotated[str | int | float | None, said("Cores, as `2` or `500m`.", "any")] = None


class Limits(Part, frozen=True, kw_only=True):
    """Limits as they were set at the container's creation. Where they are unknown, the verdict is Error."""

    require: Annotated[tuple[ResourceName, ...], said("Resources that must have a limit.", "none")] = ()
    max: Annotated[Amounts | None, said("The highest limit allowed; no limit at all is above it.", "any")] = None


class Tags(Part, frozen=True, kw_only=True):
    """What to hold of tags that move."""

    tag_moved: Annotated[
        TagMoved,
        said(
            "What a tag gets that leads to another digest than before: nothing, a note in the verdict, or a violation.",
            "Report",
        ),
    ] = TagMoved.REPORT


class PolicySpec(Part, frozen=True, kw_only=True):
    """Which containers a policy is for, and what it says of them."""

    description: Annotated[str, said("What the policy is for.", "nothing")] = ""
    severity: Annotated[Severity, said("How bad a violation is.", "medium")] = Severity.MEDIUM
    mode: Annotated[
        Mode, said("`Audit` gives the same verdicts and alerts nobody; listings and metrics tell of it.", "Alert")
    ] = Mode.ALERT
    match: Annotated[Match, said("Which containers the policy is for.", "those of every pod")] = Match()
    rules: Annotated[
        tuple[Rule, ...], said("What is approved and refused, at most 64; their order has no part.", "none")
    ] = ()
    unmatched: Annotated[
        Unmatched,
        said("What an image gets that no rule speaks of; only in a policy that has an Allow rule.", "Violation"),
    ] = Unmatched.VIOLATION
    unresolved: Annotated[
        Unresolved,
        said("What a container gets of whose image neither a name nor a digest is known.", "Violation"),
    ] = Unresolved.VIOLATION
    limits: Annotated[Limits | None, said("Limits on resources that containers must have.", "none")] = None
    tags: Annotated[Tags, said("What to hold of tags that move.", "see its fields")] = Tags()


class ExceptionSpec(Part, frozen=True, kw_only=True):
    """Which rules of which policy are waived, for which containers, until when, and who said so."""

    policy: Annotated[str, said("Name of the policy.")]
    rules: Annotated[
        tuple[str, ...],
        said("Names of the rules that are waived; also `(unmatched)`, `(unresolved)`, `(limits)` and `(tag-moved)`."),
    ]
    match: Annotated[
        Match,
        said("Which containers it is for. It must match alone: two are never taken together.", "those of every pod"),
    ] = Match()
    images: Annotated[
        tuple[str, ...], said("Repositories as asked for, as in a rule.", "any, even an unknown one")
    ] = ()
    expires: Annotated[str, said("When it ends, as `2027-01-31T00:00:00Z` (RFC 3339). From then it waives nothing.")]
    reason: Annotated[str, said("Why.")]
    requested_by: Annotated[str, said("Who asked for it.")]
    approved_by: Annotated[str, said("Who allowed it.")]


class Metadata(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Kubernetes' metadata, of which only this is read."""

    name: Annotated[str, said("Name of the policy or the exception, as Kubernetes allows them.")]
    namespace: Annotated[str | None, said("Namespace of an exception, in a cluster.", "none")] = None
    generation: Annotated[int | None, said("Written by Kubernetes: counts the changes.", "not in a cluster")] = None


class ImageAdmissionPolicy(Part, frozen=True, kw_only=True):
    """Approved and refused images, for selected containers."""

    api_version: Annotated[Literal["rollcall.dev/v1alpha1"], said("Version of this form.")]
    kind: Annotated[Literal["ImageAdmissionPolicy"], said("What it is.")]
    metadata: Annotated[Metadata, said("Its name.")]
    spec: Annotated[PolicySpec, said("What it says.")]

    @property
    def name(self) -> str:
        """Its name, by which exceptions and violations go."""
        return self.metadata.name


class ImageAdmissionException(Part, frozen=True, kw_only=True):
    """A named, ending waiver of named rules of one policy."""

    api_version: Annotated[Literal["rollcall.dev/v1alpha1"], said("Version of this form.")]
    kind: Annotated[Literal["ImageAdmissionException"], said("What it is.")]
    metadata: Annotated[Metadata, said("Its name.")]
    spec: Annotated[ExceptionSpec, said("What it waives.")]

    @property
    def name(self) -> str:
        """Its name."""
        return self.metadata.name
