"""What the collectors' tests need: a hierarchy of their own, and each collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.cgroups import own_hierarchy
from rollcall_agent.collect.choose import open_collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollcall_agent.collect.event import Collector
    from rollcall_agent.collect.hierarchy import Hierarchy

    Opener = Callable[..., Collector]


@pytest.fixture
def hierarchy() -> Iterator[Hierarchy]:
    with own_hierarchy() as hierarchy:
        yield hierarchy


@pytest.fixture
def opened() -> Iterator[list[Collector]]:
    collectors: list[Collector] = []
    yield collectors
    for collector in collectors:
        collector.close()


@pytest.fixture(params=["core", "bcc"])
def attach(request: pytest.FixtureRequest, hierarchy: Hierarchy, opened: list[Collector]) -> Opener:
    """Open the collector that the test is run for, by default in the hierarchy of our own; it closes with the test."""
    if request.param == "bcc":
        request.getfixturevalue("tracefs")

    def attach(*, hierarchy: Hierarchy = hierarchy, **options: object) -> Collector:
        collector = open_collector(request.param, hierarchy=hierarchy, attach_number=7, **options)  # type: ignore[arg-type]
        opened.append(collector)
        return collector

    return attach
