"""What the judge says: the verdict, what decided it, and every policy and rule that failed."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

from rollcall.policy.model import Effect, Mode, Severity

MATCH: Final = "(match)"
"""Stands where a rule would, when it can't be told whether a policy is for a container. It can't be waived."""


class Result(StrEnum):
    """What a container gets, the worst first."""

    VIOLATION = "Violation"
    ERROR = "Error"
    ALLOWED = "Allowed"
    UNMATCHED = "Unmatched"
    SKIPPED = "Skipped"


class Trust(StrEnum):
    """What an approval relies on: a name, which leads wherever its registry says, or a digest."""

    NAME = "name"
    DIGEST = "digest"


class Cause(StrEnum):
    """Why a policy failed, in one word."""

    NOT_APPROVED = "ImageNotApproved"
    DENIED = "ImageDenied"
    DIGEST_MISMATCH = "ImageDigestMismatch"
    TAG_MOVED = "ImageTagMoved"
    UNRESOLVED = "ImageUnresolved"
    LIMITS = "LimitsNotMet"
    LIMITS_UNKNOWN = "LimitsUnknown"
    MATCH_UNKNOWN = "MatchUnknown"


class Ruling(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What one rule of one policy says of a container.

    `rule` is a rule's name or a reserved one, `result` Violation, Error or Allowed, `cause` None for an approval.
    `message` is for people; `reason` and `link` are what the rule itself says. `waived_by` names the exceptions that
    suppress it.
    """

    policy: str
    rule: str
    result: Result
    cause: Cause | None = None
    effect: Effect | None = None
    message: str
    reason: str = ""
    link: str = ""
    severity: Severity = Severity.MEDIUM
    mode: Mode = Mode.ALERT
    generation: int | None = None
    trust: Trust | None = None
    waived_by: tuple[str, ...] = ()


class Notice(Struct, frozen=True, kw_only=True):
    """Something to be told that changes no verdict."""

    policy: str
    rule: str
    message: str


class Verdict(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What all policies together say of one start.

    `deciding` are the rulings that have the verdict's own result, `failing` every Violation and Error, `waived` what
    exceptions suppressed, all in the order of policies' and rules' names. `moved` is what the requested tag led to
    before, where it moved. `message` is one line for people, names from workloads in it made harmless.
    """

    result: Result
    trust: Trust | None = None
    deciding: tuple[Ruling, ...] = ()
    failing: tuple[Ruling, ...] = ()
    waived: tuple[Ruling, ...] = ()
    notices: tuple[Notice, ...] = ()
    moved: tuple[str, ...] = ()
    message: str
