"""The judge: one start against a set of policies, with what its tag led to before, at a given time. Pure.

Any Deny rule that matches is a violation; else any Allow rule approves; else, in a policy that has Allow rules, it is a
violation unless the policy says otherwise. Policies are ANDed: the worst result wins, and every failing one is named.
There is no order and no priority anywhere, so that nothing depends on how files are called or sorted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol, TypeVar

from msgspec.structs import replace

from rollcall.judge.compiled import CompiledPolicy, PolicySet, Selection
from rollcall.judge.rules import Matches, PolicyMatch
from rollcall.judge.verdict import Cause, Notice, Result, Ruling, Trust, Verdict
from rollcall.observation import Observation
from rollcall.policy.model import LIMITS, TAG_MOVED, TagMoved
from rollcall.record import ImageDigest
from rollcall.text import printable

Item = TypeVar("Item")

_NOTHING: Final = PolicyMatch((), (), ())
_SHOWN: Final = 3
_LONGEST_SHOWN: Final = 200


class TagHistory(Protocol):
    """What tags led to before."""

    def moved(self, repository: str, tag: str, digests: frozenset[ImageDigest]) -> Collection[str] | None:
        """Return what a tag led to before, None where it is the same image as now or was never seen.

        `repository` is `host/path`, `digests` all that is reported of the image that it leads to now, with their kinds.
        """


def judge(observation: Observation, policies: PolicySet, history: TagHistory | None, now: int) -> Verdict:
    """Judge a start. `now`, in ns since 1970, decides which exceptions have expired; without a history no tag moved."""
    selection = policies.select(observation)
    if not selection.sure and not selection.unsure:
        return Verdict(result=Result.SKIPPED, message=f"{_image(observation)}: no policy is for this container")
    hearing = _Hearing(observation, policies.rules.matches(observation), history, now)
    hearing.hear_all(selection)
    return hearing.verdict(selection)


class _Hearing:
    """One start before the policies that are for it: collects what each of them says."""

    def __init__(self, observation: Observation, matches: Matches, history: TagHistory | None, now: int) -> None:
        self._observation = observation
        self._by_policy = matches.by_policy
        self._aliases = matches.aliases
        self._now = now
        self._unresolved = observation.reference is None and not observation.digests
        self._moved = _moved(observation, history)
        self._heard: dict[int, list[Ruling]] = {}
        self._waived: list[Ruling] = []
        self._notices: list[Notice] = []

    def hear_all(self, selection: Selection) -> None:
        """Hear the policies that have something to say of this image; the cost is theirs, not that of all."""
        if self._unresolved or self._moved:
            speaking = set(selection.by_number)
        else:
            speaking = {policy.number for policy in selection.attentive}
            speaking.update(self._by_policy.keys() & selection.by_number.keys())
            speaking.update(rule.policy for rule, _ in self._aliases if rule.policy in selection.by_number)
        for number in speaking:
            self._heard[number] = []
            self._hear(selection.by_number[number])
        for policy in selection.unsure:
            self._cannot_tell(policy)

    def _hear(self, policy: CompiledPolicy) -> None:
        """Collect what a policy says that is for this container."""
        if policy.limits is not None and (failure := policy.limits.failure(self._observation.resources)) is not None:
            cause, message = failure
            result = Result.VIOLATION if cause is Cause.LIMITS else Result.ERROR
            self._add(policy, policy.ruling(LIMITS, cause, message, result))
        if self._moved and policy.tag_moved is not TagMoved.IGNORE:
            self._tag_moved(policy)
        self._rules(policy)
        for rule, name in self._aliases:
            if rule.policy == policy.number:
                message = f"the image is also known as {printable(name, _LONGEST_SHOWN)}, which this rule refuses"
                self._notices.append(Notice(policy=policy.name, rule=rule.name, message=message))

    def _cannot_tell(self, policy: CompiledPolicy) -> None:
        """Note that it is unknown whether a policy is for this container: an error, for it might have failed."""
        unknown = " and ".join(policy.match.unknown(self._observation))
        message = f"whether it is meant can't be told: unknown or cut is {unknown}"
        self._put(policy, replace(policy.unknown, message=message))

    def verdict(self, selection: Selection) -> Verdict:
        """Sum up what was heard, and what the policies say that had nothing to say of this image."""
        heard = {ruling.result for rulings in self._heard.values() for ruling in rulings}
        deciding = failing = self._rulings(selection, {Result.VIOLATION})
        result = Result.VIOLATION if failing else _worst(heard)
        if Result.ERROR in heard:
            failing = self._rulings(selection, {Result.VIOLATION, Result.ERROR})
        if result is not Result.VIOLATION:
            deciding = self._rulings(selection, {result})
        waived = tuple(sorted(self._waived, key=_place))
        trusts = {ruling.trust for ruling in deciding} if result is Result.ALLOWED else set()
        return Verdict(
            result=result,
            trust=Trust.DIGEST if Trust.DIGEST in trusts else Trust.NAME if Trust.NAME in trusts else None,
            deciding=deciding,
            failing=failing,
            waived=waived,
            notices=tuple(sorted(set(self._notices), key=lambda notice: (notice.policy, notice.rule, notice.message))),
            moved=self._moved,
            message=f"{_image(self._observation)}: {_summary(result, deciding)}{_waiving(waived)}",
        )

    def _rulings(self, selection: Selection, results: set[Result]) -> tuple[Ruling, ...]:
        """Return the rulings with given results by the names of policies and rules.

        Numbers are in the order of policies' names. What is said by default is a violation, and copied in whole pieces.
        """
        default = selection.default if Result.VIOLATION in results else ()
        rulings: list[Ruling] = []
        at = 0
        for number in sorted(self._heard):
            to = bisect_left(selection.places, number)
            rulings += default[at:to]
            rulings += sorted((each for each in self._heard[number] if each.result in results), key=_place)
            at = to + (to < len(selection.places) and selection.places[to] == number)
        rulings += default[at:]
        return tuple(rulings)

    def _rules(self, policy: CompiledPolicy) -> None:
        matched = self._by_policy.get(policy.number, _NOTHING)
        denied = False
        for rule in matched.denies:
            denied |= self._add(policy, rule.ruling)
        if denied:
            return
        if self._unresolved:
            self._add(policy, policy.unresolved)
        elif matched.allows:
            for rule in matched.allows:
                self._put(policy, rule.ruling)
        elif policy.unmatched is not None:
            self._add(policy, _mismatch(policy.unmatched, matched) if matched.near else policy.unmatched)

    def _tag_moved(self, policy: CompiledPolicy) -> None:
        message = f"the tag led to {_some(self._moved, str)} before"
        if policy.tag_moved is TagMoved.VIOLATION:
            self._add(policy, policy.ruling(TAG_MOVED, Cause.TAG_MOVED, message))
        else:
            self._notices.append(Notice(policy=policy.name, rule=TAG_MOVED, message=message))

    def _add(self, policy: CompiledPolicy, ruling: Ruling) -> bool:
        """Note a ruling unless an exception waives it; say whether it stands."""
        if policy.exceptions and ruling.result is not Result.ALLOWED:
            waiving = tuple(
                each.name for each in policy.exceptions if each.waives(ruling.rule, self._observation, self._now)
            )
            if waiving:
                self._waived.append(replace(ruling, waived_by=waiving))
                return False
        self._put(policy, ruling)
        return True

    def _put(self, policy: CompiledPolicy, ruling: Ruling) -> None:
        self._heard.setdefault(policy.number, []).append(ruling)


def _worst(results: set[Result]) -> Result:
    return next((result for result in Result if result in results), Result.UNMATCHED)


def _moved(observation: Observation, history: TagHistory | None) -> tuple[str, ...]:
    """Ask what the requested tag led to before. With a digest asked for as well, no tag was followed."""
    reference = observation.reference
    if history is None or reference is None or reference.tag is None or reference.digest is not None:
        return ()
    own = frozenset(each for each in observation.digests if each.repository in {None, reference.name})
    return tuple(history.moved(reference.name, reference.tag, own) or ()) if own else ()


def _mismatch(unmatched: Ruling, matched: PolicyMatch) -> Ruling:
    names = _some(sorted(rule.name for rule in matched.near), str)
    message = f"{names} would approve the name, and what the runtime reports is none of its digests"
    return replace(unmatched, cause=Cause.DIGEST_MISMATCH, message=message)


def _place(ruling: Ruling) -> tuple[str, str]:
    return ruling.policy, ruling.rule


def _image(observation: Observation) -> str:
    if observation.reference is not None:
        return str(observation.reference)
    if observation.requested is not None:
        return printable(observation.requested, _LONGEST_SHOWN)
    return "unknown image"


def _summary(result: Result, deciding: tuple[Ruling, ...]) -> str:
    if result is Result.UNMATCHED:
        return "no rule speaks of it, and none has to"
    return _some(deciding, _said)


def _waiving(waived: tuple[Ruling, ...]) -> str:
    if not waived:
        return ""
    return "; waived: " + _some(
        waived, lambda ruling: f"{ruling.policy}/{ruling.rule} by {', '.join(ruling.waived_by)}"
    )


def _said(ruling: Ruling) -> str:
    reason = f" ({printable(ruling.reason, _LONGEST_SHOWN)})" if ruling.reason else ""
    return f"{ruling.policy}/{ruling.rule}: {ruling.message}{reason}"


def _some(items: Sequence[Item], show: Callable[[Item], str]) -> str:
    more = len(items) - _SHOWN
    return "; ".join(show(item) for item in items[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
