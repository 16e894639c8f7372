"""How violations are counted and described: what a start that fails adds to one, and why one is over."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from rollcall.judge.verdict import MATCH, Ruling
from rollcall.policy.model import Mode
from rollcall.text import shortened
from rollcall.violations.inputs import Judged
from rollcall.violations.model import EXCESS, RANK, End, Key, State, Violation

LONGEST: Final = 1024
"""Characters of any text that is kept for people."""

Ending = tuple[End, str]
"""Why a violation is over, as a word and for people."""


def excess_key(namespace: str) -> Key:
    """Name what counts the violations of a namespace that are more than are told one by one."""
    return Key(policy="", rule=EXCESS, namespace=namespace)


def is_doubted(key: Key, judged: Judged) -> bool:
    """Say whether it could not be told if a rule still fails: then a violation goes on."""
    return not judged.doubted.isdisjoint({(key.policy, key.rule), (key.policy, MATCH)})


def ending(key: Key, judged: Judged, policies: frozenset[str]) -> Ending:
    """Say why a start that was judged again fails a rule no more."""
    if key.policy not in policies:
        return End.POLICY_GONE, f"policy {key.policy} is there no more"
    for policy, rule, exceptions in judged.waived:
        if (policy, rule) == (key.policy, key.rule):
            return End.EXCEPTED, shortened(f"waived by {exceptions}", LONGEST)
    return End.APPROVED, shortened(judged.message, LONGEST)


def seen(violation: Violation, ruling: Ruling, judged: Judged, containers: int) -> Violation:
    """Count a start that failed. The latest one describes the violation, whichever comes last."""
    latest = (judged.at or "", judged.start) >= (violation.last_seen or "", violation.start)
    if latest:
        violation = replace(violation, start=judged.start, image=judged.image)
    if latest or violation.state is State.OVER:
        violation = described(violation, ruling)
    return replace(
        violation,
        starts=violation.starts + 1,
        containers=containers,
        first_seen=min(filter(None, (violation.first_seen, judged.at)), default=None),
        last_seen=max(filter(None, (violation.last_seen, judged.at)), default=None),
    )


def described(violation: Violation, ruling: Ruling) -> Violation:
    """Say of a violation what the policy says now."""
    return replace(
        violation,
        severity=ruling.severity,
        mode=ruling.mode,
        cause=ruling.cause,
        reason=shortened(ruling.reason, LONGEST),
        link=shortened(ruling.link, LONGEST),
        message=shortened(ruling.message, LONGEST),
    )


def crowded(excess: Violation, violation: Violation, waiting: int) -> Violation:
    """Count in the excess of a namespace a failure whose own violation waits; it is as bad as the worst of them."""
    modes = {violation.mode} if excess.state is State.OVER else {violation.mode, excess.mode}
    ranks = [violation.severity] if excess.state is State.OVER else [violation.severity, excess.severity]
    return replace(
        excess,
        severity=max(ranks, key=RANK.__getitem__),
        mode=Mode.ALERT if Mode.ALERT in modes else Mode.AUDIT,
        message="the namespace has more violations than are told one by one",
        image=violation.image,
        start=violation.start,
        starts=excess.starts + 1,
        first_seen=min(filter(None, (excess.first_seen, violation.first_seen)), default=None),
        last_seen=max(filter(None, (excess.last_seen, violation.last_seen)), default=None),
        waiting=waiting,
    )
