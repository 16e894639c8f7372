"""The judge alone: microseconds a verdict, by how many policies there are and how many of them are for a container.

`python -m bench.judging` prints the table; it needs no root. No two starts have the same image, digest and labels, and
nothing is remembered of images. Only which policies are for a pod is, by what they look at. What is counted is this
thread's processor time, whatever else the machine does.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from bench.result import Row, percentile
from lab.policies import NOW, allow, deny, policy, seen
from rollcall.judge import PolicySet, judge
from rollcall.observation import Observation
from rollcall.patterns import image_pattern
from rollcall.policy import ImageAdmissionPolicy
from rollcall.record import Reference
from rollcall.references import parse

COUNTS: Final = (1, 100, 1_000, 10_000)
TARGET_US: Final = 100.0
_TARGET_COUNT: Final = 1_000
_STARTS: Final = 2_000
_RULES: Final = 10
_PARSED: Final = 20_000


def measure(*, quick: bool = False) -> Iterator[Row]:
    """Yield a row for each number of policies and each way of matching, then references and patterns a second."""
    starts = _STARTS // 20 if quick else _STARTS
    for words, match in _WAYS:
        for count in COUNTS:
            policies = PolicySet(_policy(number, match(number)) for number in range(count))
            observations = [_start(number, count) for number in range(starts)]
            yield _row(words, count, policies, observations)
    yield from _texts(_PARSED // 20 if quick else _PARSED)


def _row(words: str, count: int, policies: PolicySet, observations: Sequence[Observation]) -> Row:
    spent: list[float] = []
    gc.collect()
    for observation in observations:
        begun = time.thread_time_ns()
        judge(observation, policies, None, NOW)
        spent.append((time.thread_time_ns() - begun) / 1000)
    mean, p50, p99 = sum(spent) / len(spent), percentile(spent, 50), percentile(spent, 99)
    aimed = count == _TARGET_COUNT
    return Row(
        what=f"judge, {count:,} policies of {_RULES} rules",
        collector="",
        feed=f"{len(spent):,} starts, no two alike; {words}",
        measured=f"{mean:.0f} us a verdict (p50 {p50:.0f}, p99 {p99:.0f})",
        target=f"at most {TARGET_US:g} us a verdict" if aimed else "",
        met=mean <= TARGET_US if aimed else None,
    )


def _texts(count: int) -> Iterator[Row]:
    texts = [
        f"registry-{number % 7}.example.com:5000/team-{number % 50}/app-{number}:v{number}" for number in range(count)
    ]
    begun = time.thread_time()
    references = [parse(text) for text in texts]
    yield _rate("references parsed", count, time.thread_time() - begun)
    for pattern in ("registry-1.example.com:5000/**", "*/*-1*/app-*1*2*", "*.example.com:5000/**/app-*"):
        yield _rate(f"names matched with {pattern}", count, _matching(pattern, references))


def _matching(text: str, references: Sequence[Reference]) -> float:
    pattern = image_pattern(text)
    begun = time.thread_time()
    for reference in references:
        pattern.matches(reference)
    return time.thread_time() - begun


def _rate(what: str, count: int, seconds: float) -> Row:
    return Row(what=what, collector="", feed=f"{count:,}, no two alike", measured=f"{count / seconds:,.0f} a second")


def _own_namespace(number: int) -> dict[str, object]:
    return {"namespaces": {"names": [f"team-{number}"]}}


def _namespace_pattern(number: int) -> dict[str, object]:
    return {"namespaces": {"names": [f"team-{number}-*", f"team-{number}"]}, "pods": {"matchLabels": {"app": "a"}}}


def _pod_label(number: int) -> dict[str, object]:
    return {"pods": {"matchLabels": {"team": f"team-{number}"}}}


def _every_pod(number: int) -> dict[str, object]:  # noqa: ARG001 - as the others
    return {}


_WAYS: Final[tuple[tuple[str, Callable[[int], dict[str, object]]], ...]] = (
    ("each policy for one namespace", _own_namespace),
    ("each policy by a pattern of namespaces and a label", _namespace_pattern),
    ("each policy by a label of pods", _pod_label),
    ("each policy for every pod, so that all but one fail", _every_pod),
)


def _policy(number: int, match: dict[str, object]) -> ImageAdmissionPolicy:
    rules = [
        *(allow(f"allow-{at}", images=[f"registry-{number}.example.com/team-{at}/**"]) for at in range(_RULES - 2)),
        allow("pinned", images=[f"registry-{number}.example.com/*"], digests=[f"sha256:{number:064x}"]),
        deny("latest", images=[f"registry-{number}.example.com/**"], tags=["latest"]),
    ]
    return policy(*rules, name=f"policy-{number}", match=match)


def _start(number: int, policies: int) -> Observation:
    team = number % policies
    return seen(
        f"registry-{team}.example.com/team-{number % 8}/app-{number}:1",
        f"sha256:{number:064x}",
        namespace=f"team-{team}",
        pod_labels={"app": "a", "team": f"team-{team}", "pod-template-hash": f"{number:x}"},
    )


def main() -> None:
    """Print the table. Exit status 1 where the target is missed."""
    rows = list(measure())
    for row in rows:
        sys.stdout.write(f"{row.what:55} {row.feed:75} {row.measured} {row.target}\n")
    sys.exit(any(row.met is False for row in rows))


if __name__ == "__main__":
    main()
