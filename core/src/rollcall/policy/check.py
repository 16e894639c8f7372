"""What is wrong with a policy or an exception that its types can't say. Pure; the time is an argument."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from rollcall.patterns import ANY_IMAGE, InvalidPatternError, image_pattern, name_pattern, tag_pattern
from rollcall.policy import selectors
from rollcall.policy.model import (
    MOST_DIGESTS,
    MOST_RULES,
    RESERVED,
    Effect,
    ImageAdmissionException,
    ImageAdmissionPolicy,
    LabelSelector,
    Limits,
    Match,
    Rule,
)
from rollcall.policy.quantity import cpu_thousandths, memory_bytes
from rollcall.references import is_digest
from rollcall.text import printable
from rollcall.times import moment

Path = tuple[str | int, ...]
"""Where a field is, from the document's top: names, and numbers in lists."""

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_LONGEST_NAME: Final = 253
_LONGEST_RULE_NAME: Final = 63
_LONG_NS: Final = 366 * 24 * 3600 * 10**9


class Problem(Struct, frozen=True):
    """One field that is wrong, and what to write instead."""

    path: Path
    message: str


def field_name(path: Path) -> str:
    """Write a path as people do: `spec.rules[0].images[1]`."""
    shown = ""
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else f".{printable(part, 80)}"
    return shown.removeprefix(".")


def check_policy(policy: ImageAdmissionPolicy) -> list[Problem]:
    """Return everything that is wrong with a policy."""
    spec = policy.spec
    problems = [*_name(policy.name), *_match(spec.match, ("spec", "match"))]
    if len(spec.rules) > MOST_RULES:
        problems.append(Problem(("spec", "rules"), f"{len(spec.rules)} rules: a policy has at most {MOST_RULES}"))
    digests = sum(len(rule.digests) for rule in spec.rules)
    if digests > MOST_DIGESTS:
        problems.append(Problem(("spec", "rules"), f"{digests} digests: a policy has at most {MOST_DIGESTS}"))
    seen: dict[str, int] = {}
    for index, rule in enumerate(spec.rules[:MOST_RULES]):
        at: Path = ("spec", "rules", index)
        problems += _rule(rule, at)
        first = seen.setdefault(rule.name, index)
        if first != index:
            message = f"rule {first} has the name '{printable(rule.name, 80)}' too: write another one"
            problems.append(Problem((*at, "name"), message))
    if spec.limits is not None:
        problems += _limits(spec.limits)
    return problems


def check_exception(exception: ImageAdmissionException) -> list[Problem]:
    """Return everything that is wrong with an exception. One that has expired is right, and waives nothing."""
    spec = exception.spec
    problems = [*_name(exception.name), *_match(spec.match, ("spec", "match"))]
    problems += _patterns(spec.images, ("spec", "images"), image_pattern)
    if not spec.rules:
        problems.append(Problem(("spec", "rules"), "name at least one rule that is waived"))
    for index, name in enumerate(spec.rules):
        if name not in RESERVED and not _is_name(name, _LONGEST_RULE_NAME):
            message = f"'{printable(name, 80)}' is no name of a rule: write one, or {', '.join(RESERVED)}"
            problems.append(Problem(("spec", "rules", index), message))
    try:
        moment(spec.expires)
    except ValueError:
        problems.append(Problem(("spec", "expires"), "write a time with its zone, as 2027-01-31T00:00:00Z"))
    for field, value in (
        ("policy", spec.policy), ("reason", spec.reason), ("requestedBy", spec.requested_by),
        ("approvedBy", spec.approved_by),
    ):  # fmt: skip
        if not value.strip():
            problems.append(Problem(("spec", field), "write something here: it must be given"))
    return problems


def warnings(
    policies: Iterable[ImageAdmissionPolicy], exceptions: Sequence[ImageAdmissionException], now: int
) -> Iterator[tuple[ImageAdmissionException, Problem]]:
    """Yield what is right and yet to be told of exceptions; `now` in ns since 1970."""
    rules = {policy.name: {*RESERVED, *(rule.name for rule in policy.spec.rules)} for policy in policies}
    for exception in exceptions:
        spec = exception.spec
        expires = moment(spec.expires)
        if expires <= now:
            yield exception, Problem(("spec", "expires"), f"it expired at {spec.expires} and waives nothing")
        elif expires > now + _LONG_NS:
            yield exception, Problem(("spec", "expires"), f"it ends over a year ahead, at {spec.expires}")
        if spec.policy not in rules:
            message = f"there is no policy '{printable(spec.policy, 80)}': it waives nothing"
            yield exception, Problem(("spec", "policy"), message)
            continue
        for index, name in enumerate(spec.rules):
            if name not in rules[spec.policy]:
                message = f"policy '{printable(spec.policy, 80)}' has no rule '{printable(name, 80)}'"
                yield exception, Problem(("spec", "rules", index), message)


def _is_name(name: str, longest: int) -> bool:
    return len(name) <= longest and bool(_NAME.fullmatch(name))


def _name(name: str) -> Iterator[Problem]:
    if not _is_name(name, _LONGEST_NAME):
        message = f"'{printable(name, 80)}' is no name: write up to {_LONGEST_NAME} of a-z 0-9 - and ."
        yield Problem(("metadata", "name"), message)


def _rule(rule: Rule, at: Path) -> Iterator[Problem]:
    if not _is_name(rule.name, _LONGEST_RULE_NAME):
        message = (
            f"'{printable(rule.name, 80)}' is no name of a rule: write up to {_LONGEST_RULE_NAME} of a-z 0-9 - and ."
        )
        yield Problem((*at, "name"), message)
    if rule.effect is Effect.ALLOW and not (rule.images or rule.tags or rule.digests):
        yield Problem(at, f"it approves everything: say so by images: ['{ANY_IMAGE}'], or name images or digests")
    yield from _patterns(rule.images, (*at, "images"), image_pattern)
    yield from _patterns(rule.tags, (*at, "tags"), tag_pattern)
    for index, digest in enumerate(rule.digests[:MOST_DIGESTS]):
        if not is_digest(digest):
            expected = "write sha256:<64 hex digits> or sha512:<128 hex digits>, in lower case"
            yield Problem((*at, "digests", index), f"'{printable(digest, 80)}' is no digest: {expected}")


def _patterns(texts: Iterable[str], at: Path, read: Callable[[str], object]) -> Iterator[Problem]:
    for index, text in enumerate(texts):
        try:
            read(text)
        except InvalidPatternError as error:
            yield Problem((*at, index), str(error))


def _match(match: Match, at: Path) -> Iterator[Problem]:
    if match.namespaces is not None:
        yield from _patterns(match.namespaces.names, (*at, "namespaces", "names"), name_pattern)
    yield from _patterns(match.containers, (*at, "containers"), name_pattern)
    parts: tuple[tuple[str, LabelSelector | None], ...] = (
        ("namespaces", match.namespaces), ("pods", match.pods), ("nodes", match.nodes),
    )  # fmt: skip
    for name, selector in parts:
        if selector is not None:
            yield from (Problem((*at, name, *where), message) for where, message in selectors.wrong(selector))


def _limits(limits: Limits) -> Iterator[Problem]:
    if limits.max is None:
        return
    at: Path = ("spec", "limits", "max")
    reads: tuple[tuple[str, str | float | None, Callable[[str | float], int]], ...] = (
        ("memory", limits.max.memory, memory_bytes), ("cpu", limits.max.cpu, cpu_thousandths),
    )  # fmt: skip
    for name, written, read in reads:
        if written is None:
            continue
        try:
            read(written)
        except ValueError as error:
            yield Problem((*at, name), f"'{printable(str(written), 80)}' is no amount: {error}")
