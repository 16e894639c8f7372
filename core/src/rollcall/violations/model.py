"""What a violation is, what can become of it, and the rows that its book is made of."""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum
from typing import Final

from rollcall.judge.verdict import Cause
from rollcall.policy.model import Mode, Severity
from rollcall.record import Model

EXCESS: Final = "(excess)"
"""Stands for the rule where a namespace has more violations than are told one by one; of no policy."""

RANK: Final = {severity: rank for rank, severity in enumerate(Severity)}
"""Severities by how bad they are."""

_DIGITS: Final = 26


class State(StrEnum):
    """How a violation stands."""

    OPEN = "open"
    UNKNOWN = "unknown"
    """Every node that its containers were last seen on is silent."""
    WAITING = "waiting"
    """Above its namespace's cap: counted by the excess, told when there is room."""
    OVER = "over"


class Change(StrEnum):
    """What is told of a violation."""

    OPENED = "opened"
    REPEATED = "repeated"
    UNKNOWN = "unknown"
    KNOWN = "known"
    """After unknown: a node of its containers is heard again."""
    OVER = "over"


class End(StrEnum):
    """Why a violation is over; there is evidence for each."""

    APPROVED = "approved"
    """Judged again, and this rule fails it no more."""
    EXCEPTED = "excepted"
    """Judged again, and an exception waives the rule."""
    POLICY_GONE = "policyGone"
    """Judged again, and the policy is there no more."""
    RESOLVED = "resolved"
    """A later answer took the place of the unresolved one that had failed."""
    ENDED = "ended"
    """Its last container has ended, or is gone from two live sets, or its node is gone."""
    NAMESPACE_DELETED = "namespaceDeleted"
    ROOM = "room"
    """Of the excess alone: the namespace is below its cap again, every violation is told by itself."""


class Key(Model, frozen=True, kw_only=True, order=True):
    """What makes two failures one violation, over restarts, replicas and time.

    `namespace` is empty outside Kubernetes and where no runtime stands for it, `repository` where the image is unknown.
    """

    policy: str
    rule: str
    namespace: str = ""
    workload: str = ""
    container: str = ""
    repository: str = ""

    @property
    def name(self) -> str:
        """A name for it that fits anywhere: 26 digits (a-z, 2-7) of a hash."""
        parts = (self.policy, self.rule, self.namespace, self.workload, self.container, self.repository)
        whole = "".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass")
        return base64.b32encode(hashlib.sha256(whole).digest())[:_DIGITS].decode().lower()


class Violation(Model, frozen=True, kw_only=True):
    """One breach of one rule.

    `severity` to `message` are those of the latest start that failed (`start`, of `image`), or of the last judging.
    `starts` counts starts that failed, and is approximate: one that failed, was excepted and fails again counts twice.
    `containers` live. `first_seen` and `last_seen` are when they were created, `since` when the state last changed;
    RFC 3339. `opened` counts openings, `changes` all that was told, so that it numbers them. `end` and `why` say why it
    is over. Of the excess, `waiting` is how many violations wait.
    """

    key: Key
    state: State = State.OVER
    severity: Severity = Severity.LOW
    mode: Mode = Mode.AUDIT
    cause: Cause | None = None
    reason: str = ""
    link: str = ""
    message: str = ""
    image: str = ""
    start: str = ""
    starts: int = 0
    containers: int = 0
    first_seen: str | None = None
    last_seen: str | None = None
    since: str = ""
    opened: int = 0
    changes: int = 0
    end: End | None = None
    why: str = ""
    waiting: int = 0


class Transition(Model, frozen=True, kw_only=True):
    """Something to be told: the change, the violation as it is after it, and when."""

    change: Change
    violation: Violation
    at: str


class Member(Model, frozen=True, kw_only=True):
    """A start that lives and fails. `missed` counts the live sets, one after the other, that it was missing from."""

    start: str
    node: str
    namespace: str
    keys: tuple[Key, ...]
    missed: int = 0


class NodeState(Model, frozen=True, kw_only=True):
    """What is known of a node: whether it is silent, and the last report of its live set, numbered in its epoch."""

    silent: bool = False
    epoch: str = ""
    report: int = 0
