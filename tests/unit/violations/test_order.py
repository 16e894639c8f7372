"""Order does not matter: starts in any order, delivered twice, give the same records, tags and violations.

For the tag ledger and the cap: in any order that keeps that of ctime. Each start goes the whole way that it goes in a
store: what is news is judged with its tag's history, recorded, counted, and its verdict followed.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lab.policies import NOW, A, B, C, allow, deny, policy, seen
from lab.violating import Keeper
from rollcall import ledger
from rollcall.fold import ImageRecord, RecordKey, Share, fold, is_news, moves, share
from rollcall.judge import PolicySet, judge
from rollcall.ledger import Ledger, TagHistory
from rollcall.observation import Observation
from rollcall.record import Resolution
from rollcall.violations import Key, Late, Start, Violation, judged

ACME = policy(
    allow("acme", images=["ghcr.io/acme/**"]), deny("bad", digests=[B]), name="acme", tags={"tagMoved": "Violation"}
)
DIGESTS = policy(allow("known", digests=[A]), name="digests", severity="high")
UNMOVED = [
    policy(allow("acme", images=["ghcr.io/acme/**"]), deny("bad", digests=[B]), name="acme"),
    DIGESTS,
]


class Whole(Keeper):
    """Everything that is kept of starts. The time stands still, so that it has no part in what is compared."""

    def __init__(self, *policies: Any, most_open: int = 100) -> None:
        super().__init__(most_open)
        self.policies = PolicySet(policies, ())
        self.counted: dict[str, Share] = {}
        self.records: dict[RecordKey, ImageRecord] = {}
        self.histories: dict[tuple[str, str], TagHistory] = {}

    def take(self, start: Observation) -> None:
        new = share(start)
        before = self.counted.get(new.start)
        for one, starts in moves(new, before):
            self.records[one.key] = fold(self.records.get(one.key), one, starts)
        if not is_news(new, before):
            return
        self.counted[new.start] = new
        verdict = judge(start, self.policies, Ledger(new.start, self.histories), NOW)
        named = ledger.tag_of(start)
        if named is not None:
            history = ledger.record(self.histories.get(named), start)
            if history is not None:
                self.histories[named] = history
        self.now = 0
        news = judged(start, verdict)
        self.tell(Start(judged=news) if before is None else Late(judged=news))

    def violations(self) -> dict[Key, Violation]:
        return self.book.violations


@st.composite
def starts(draw: st.DrawFn, namespaces: tuple[str, ...] = ("shop",)) -> list[Observation]:
    """Starts in the order of their ctimes, no two at the same time; some of them unresolved."""
    found = []
    for number in range(draw(st.integers(0, 9))):
        where: dict[str, Any] = {
            "identity": f"start-{number}",
            "node": draw(st.sampled_from(["node-1", "node-2"])),
            "ctime": f"2026-11-24T10:00:{number:02}.000000Z",
            "container": draw(st.sampled_from(["cart", "side"])),
            "workload": draw(st.sampled_from(["Deployment/web", "Deployment/api"])),
            "namespace": draw(st.sampled_from(namespaces)),
        }
        if draw(st.integers(0, 5)) == 0:
            found.append(seen(None, resolution=Resolution.UNRESOLVED, **where))
        else:
            image = draw(st.sampled_from(["ghcr.io/acme/app:1", "ghcr.io/acme/app:2", "quay.io/x:1"]))
            digest = draw(st.sampled_from([A, B, C]))
            found.append(seen(image, digest, repository_digest=digest, **where))
    return found


def late(start: Observation) -> Observation:
    return seen(
        "quay.io/x:1",
        A,
        identity=f"late-{start.identity}",
        supersedes=start.identity,
        repository_digest=A,
        node=start.node,
        ctime=start.ctime,
        workload="Deployment/web",
    )


def compared(whole: Whole) -> tuple[Any, ...]:
    book = whole.book
    return whole.counted, whole.records, whole.violations(), book.members, book.alive, book.told


@given(st.data(), starts(("shop", "bank")))
def test_starts_in_any_order_and_twice_give_the_same_records_and_violations(
    data: st.DataObject, told: list[Observation]
) -> None:
    once, often = Whole(*UNMOVED), Whole(*UNMOVED)
    for start in told:
        once.take(start)
    again = data.draw(st.lists(st.sampled_from(told), max_size=6)) if told else []
    for start in data.draw(st.permutations(told + again)):
        often.take(start)
    assert compared(often) == compared(once)


@given(st.data(), starts())
def test_late_answers_in_any_order_leave_the_same_open(data: st.DataObject, told: list[Observation]) -> None:
    """What is over may differ: a late answer that comes first never lets the unresolved one open."""
    answers = [late(start) for start in told if start.resolution is Resolution.UNRESOLVED]
    once, often = Whole(*UNMOVED), Whole(*UNMOVED)
    for start in told + answers:
        once.take(start)
    for start in data.draw(st.permutations(told + answers + answers)):
        often.take(start)
    assert often.records == once.records
    assert often.counted == once.counted
    assert often.book.alive == once.book.alive
    open_ones = [
        {key: each.containers for key, each in whole.violations().items() if each.containers} for whole in (once, often)
    ]
    assert open_ones[0] == open_ones[1]


@given(st.data(), starts(("shop", "bank")))
def test_tags_and_the_cap_in_the_order_of_ctime_may_be_told_twice(data: st.DataObject, told: list[Observation]) -> None:
    """Any start comes again, at any time after it came first."""
    once, often = Whole(ACME, DIGESTS, most_open=2), Whole(ACME, DIGESTS, most_open=2)
    for start in told:
        once.take(start)
    before: list[Observation] = []
    for start in told:
        often.take(start)
        before.append(start)
        for twice in data.draw(st.lists(st.sampled_from(before), max_size=3)):
            often.take(twice)
    assert often.histories == once.histories
    assert compared(often) == compared(once)
    assert often.book.waiting == once.book.waiting


@given(st.data(), starts(("shop", "bank")))
def test_the_cap_of_one_namespace_has_no_part_in_another(data: st.DataObject, told: list[Observation]) -> None:
    once, often = Whole(*UNMOVED, most_open=2), Whole(*UNMOVED, most_open=2)
    for start in told:
        once.take(start)
    shop, bank = ([start for start in told if start.namespace == name] for name in ("shop", "bank"))
    while shop or bank:
        often.take(data.draw(st.sampled_from([queue for queue in (shop, bank) if queue])).pop(0))
    assert compared(often) == compared(once)
