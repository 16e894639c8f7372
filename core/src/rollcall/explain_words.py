"""An explanation in the words that a person reads at a terminal; whatever workloads named is made harmless."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rollcall.explain import Explanation, FieldAccount, PolicyAccount, RuleAccount
from rollcall.judge import Result, Ruling
from rollcall.policy.model import Mode
from rollcall.text import printable

_SHOWN: Final = 5
_LONGEST: Final = 300
_UNKNOWN: Final = {
    "images": "no name of the image is known",
    "tags": "no tag was asked for",
    "digests": "no digest was reported",
}


def words(explanation: Explanation) -> Iterator[str]:
    """Give the lines of one explanation."""
    verdict = explanation.verdict
    yield printable(explanation.subject, _LONGEST)
    if explanation.whatever_match:
        yield "  (an image alone: every policy is asked, whatever its match; limits are left out)"
    trust = f", by trust in its {verdict.trust}" if verdict.trust is not None else ""
    yield f"  {verdict.result}{trust}: {verdict.message}"
    for notice in verdict.notices:
        yield f"  note of {notice.policy}/{notice.rule}: {notice.message}"
    for policy in explanation.policies:
        yield from _policy(policy, whatever_match=explanation.whatever_match)


def _policy(account: PolicyAccount, *, whatever_match: bool) -> Iterator[str]:
    mode = " (Audit)" if account.mode is Mode.AUDIT else ""
    because = f": {'; '.join(account.because)}" if account.because else ""
    meant = "is asked" if whatever_match else "is for it"
    selects = {True: meant, False: f"is not for it{because}", None: f"whether it is for it can't be told{because}"}
    yield f"  policy {account.policy}{mode} {selects[account.selects]}"
    for rule in account.rules:
        yield from _rule(rule)
    yield from (f"    -> {outcome}" for outcome in _outcomes(account))


def _outcomes(account: PolicyAccount) -> Iterator[str]:
    verdict = account.verdict
    for ruling in verdict.deciding:
        yield _ruling(ruling)
    for ruling in verdict.failing:
        if ruling not in verdict.deciding:
            yield _ruling(ruling)
    for ruling in verdict.waived:
        yield f"waived by {', '.join(ruling.waived_by)}: {_ruling(ruling)}"
    if verdict.result is Result.UNMATCHED:
        yield "Unmatched: no rule speaks of it, and none has to"


def _rule(account: RuleAccount) -> Iterator[str]:
    yield f"    {account.effect} {account.rule}: {'matches' if account.matches else 'does not match'}"
    for field in account.fields:
        yield f"      {field.field}: {_field(field)}"


def _field(field: FieldAccount) -> str:
    if field.matched:
        return f"{_list(field.matched)} matches"
    if field.found is None:
        return _UNKNOWN[field.field]
    return f"{_list(field.found)} is none of {_list(field.wanted)}"


def _ruling(ruling: Ruling) -> str:
    more = " ".join(printable(text, _LONGEST) for text in (ruling.reason, ruling.link) if text)
    return f"{ruling.result} by {ruling.rule}: {ruling.message}{f' ({more})' if more else ''}"


def _list(items: Sequence[str]) -> str:
    shown = ", ".join(printable(item, _LONGEST) for item in items[:_SHOWN])
    more = len(items) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
