"""The sample policies: each passes the check, says what it is for, and lets one image pass and one fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lab.policies import NOW, reported, seen
from rollcall.judge import Cause, PolicySet, Result, Verdict, judge
from rollcall.ledger import Ledger, TagHistory, record, tag_of
from rollcall.observation import Observation
from rollcall.policy.files import gather
from rollcall.policy.read import Loaded, read_all
from rollcall.times import rfc3339

FOLDER = Path(__file__).parents[2] / "examples" / "policies"
RELEASED, OTHER = "sha256:" + "1" * 64, "sha256:" + "3" * 64
BACKDOOR = "sha256:" + "bad" * 21 + "0"
GIB = 1 << 30
ALLOWED, UNMATCHED, SKIPPED, VIOLATION = Result.ALLOWED, Result.UNMATCHED, Result.SKIPPED, Result.VIOLATION

CASES: dict[str, list[tuple[Observation, Result]]] = {
    "approved-registries": [
        (seen("registry.example.com/shop/web:1"), ALLOWED),
        (seen("nginx", outside=True), ALLOWED),
        (seen("registry.example.com.evil.test/shop/web:1"), VIOLATION),
        (seen("ghcr.io/acme-evil/web:1"), VIOLATION),
        (seen("someone/nginx", outside=True), VIOLATION),
        (seen(None), VIOLATION),
    ],
    "approved-digests": [
        (seen("registry.example.com/shop/web:4.2.0", RELEASED, namespace="production"), ALLOWED),
        (seen("registry.example.com/shop/web:4.2.0", OTHER, namespace="production-eu"), VIOLATION),
        (seen(f"registry.example.com/shop/web@{RELEASED}", OTHER, namespace="production"), VIOLATION),
        (seen("registry.example.com/shop/web:4.2.0", namespace="production"), VIOLATION),
        (seen("registry.example.com/shop/web:4.2.0", OTHER, namespace="staging"), SKIPPED),
    ],
    "no-latest": [
        (seen("ghcr.io/acme/app:1.2"), UNMATCHED),
        (seen(f"ghcr.io/acme/app@{OTHER}", OTHER), UNMATCHED),
        (seen("ghcr.io/acme/app"), VIOLATION),
        (seen(f"ghcr.io/acme/app:latest@{OTHER}", OTHER), VIOLATION),
    ],
    "deny-known-bad": [
        (seen("ghcr.io/acme/app:1", OTHER), UNMATCHED),
        (seen("ghcr.io/acme/app:1", BACKDOOR), VIOLATION),
        (seen("ghcr.io/acme/app:1", reported(BACKDOOR, "quay.io/elsewhere/app")), VIOLATION),
        (seen("abandoned/tool:1"), VIOLATION),
    ],
    "limits-required": [
        (seen(memory=GIB), UNMATCHED),
        (seen(memory=False), VIOLATION),
        (seen(memory=5 * GIB), VIOLATION),
        (seen(memory=None), Result.ERROR),
    ],
    "no-containers-outside-kubernetes": [
        (seen("nginx"), SKIPPED),
        (seen("nginx", outside=True), VIOLATION),
        (seen(None, outside=True), VIOLATION),
    ],
}


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    texts, problems = gather([FOLDER])
    found = read_all(texts)
    assert (problems, found.problems, list(found.warnings(NOW))) == ([], [], [])
    return found


def verdict(
    loaded: Loaded, policy: str, observation: Observation, *, history: Ledger | None = None, now: int | None = None
) -> Verdict:
    """Judge by one sample; without the exception unless a time is given."""
    policies = [each for each in loaded.policies if each.name == policy]
    return judge(observation, PolicySet(policies, loaded.exceptions if now else ()), history, now or NOW)


def test_every_sample_is_tested_here_and_is_called_as_its_file(loaded: Loaded) -> None:
    names = {policy.name for policy in loaded.policies}
    assert names == set(CASES) | {"tag-must-not-move"}
    assert {path.stem for path in FOLDER.iterdir()} == names | {"exception"}


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.stem)
def test_every_sample_says_first_what_it_is_for(path: Path) -> None:
    assert path.read_text().startswith("# For: ")


def cases() -> Iterator[tuple[str, Observation, Result]]:
    for name, of_one in CASES.items():
        results = {result for _, result in of_one}
        assert VIOLATION in results
        assert results & {ALLOWED, UNMATCHED, SKIPPED}
        yield from ((name, observation, result) for observation, result in of_one)


@pytest.mark.parametrize(("name", "observation", "result"), list(cases()))
def test_samples(loaded: Loaded, name: str, observation: Observation, result: Result) -> None:
    assert verdict(loaded, name, observation).result is result


def test_a_tag_must_not_move(loaded: Loaded) -> None:
    history: TagHistory | None = None
    results = []
    for number, digest in enumerate([RELEASED, RELEASED, OTHER]):
        start = seen("ghcr.io/acme/app:1", digest, identity=f"i{number}", ctime=rfc3339(NOW + number * 10**9))
        history = record(history, start)
        tag = tag_of(start)
        assert tag is not None
        assert history is not None
        results.append(
            verdict(loaded, "tag-must-not-move", start, history=Ledger(start=start.identity, histories={tag: history}))
        )
    assert [each.result for each in results] == [UNMATCHED, UNMATCHED, VIOLATION]
    assert (results[2].failing[0].cause, results[2].moved) == (Cause.TAG_MOVED, (RELEASED,))


def test_the_exception_waives_for_its_container_alone_until_it_expires(loaded: Loaded) -> None:
    exporter = seen("quay.io/legacy/exporter:3", namespace="billing", container="exporter")
    (exception,) = loaded.exceptions

    def result(observation: Observation, now: int = NOW) -> Result:
        return verdict(loaded, exception.spec.policy, observation, now=now).result

    assert result(exporter) is UNMATCHED
    assert result(replace(exporter, container="other")) is VIOLATION
    assert result(replace(exporter, namespace="shop")) is VIOLATION
    assert result(seen("quay.io/legacy/other", namespace="billing", container="exporter")) is VIOLATION
    assert result(exporter, NOW + 366 * 24 * 3600 * 10**9) is VIOLATION
