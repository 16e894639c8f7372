"""Tags that move: told once for each new digest, and never for another name of the same content."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall import ledger
from rollcall.ledger import Ledger, TagHistory
from rollcall.observation import Observation
from rollcall.record import DigestKind, ImageDigest
from rollcall.references import parse

APP = "registry.example/app"


def digest(name: str) -> str:
    return "sha256:" + name.encode().hex().zfill(64)


def shown(*names: str, repository: str | None = APP) -> tuple[ImageDigest, ...]:
    """Digests by short names: `i…` is an index, `m…` a manifest, `c…` a config, `r…` one of the first two."""
    kinds = {
        "i": DigestKind.INDEX,
        "m": DigestKind.MANIFEST,
        "c": DigestKind.CONFIG,
        "r": DigestKind.REPOSITORY,
    }
    return tuple(
        ImageDigest(
            digest=digest(name), kind=kinds[name[0]], source="test", repository=None if name[0] == "c" else repository
        )
        for name in names
    )


def a_start(
    number: int,
    digests: Iterable[ImageDigest],
    *,
    image: str = f"{APP}:1",
    node: str = "node-1",
    supersedes: str | None = None,
) -> Observation:
    return Observation(
        identity=f"start-{number}",
        container_id="c",
        outside=False,
        node=node,
        reference=parse(image),
        digests=frozenset(digests),
        ctime=f"2026-11-24T10:00:{number:02}Z",
        supersedes=supersedes,
    )


class Book:
    """Judges and records one start after the other, as a store does."""

    def __init__(self) -> None:
        self.histories: dict[tuple[str, str], TagHistory] = {}

    def asked(self, start: Observation) -> tuple[str, ...] | None:
        named = ledger.tag_of(start)
        if named is None:
            return None
        return Ledger(start.supersedes or start.identity, self.histories).moved(*named, start.digests)

    def take(self, start: Observation) -> tuple[str, ...] | None:
        moved, named = self.asked(start), ledger.tag_of(start)
        if named is not None:
            history = ledger.record(self.histories.get(named), start)
            if history is not None:
                self.histories[named] = history
        return moved


def moves_of(*shows: tuple[ImageDigest, ...]) -> list[int]:
    """Say which of several starts, told in order, showed a move."""
    book = Book()
    return [number for number, digests in enumerate(shows) if book.take(a_start(number, digests)) is not None]


@pytest.mark.parametrize(
    ("shows", "moved"),
    [
        pytest.param([shown("i1", "m1", "c1"), shown("i1", "m1", "c1")], [], id="the same again"),
        pytest.param([shown("i1", "m1", "c1"), shown("i2", "m2", "c2"), shown("i2", "m2", "c2")], [1], id="told once"),
        pytest.param([shown("i1"), shown("i2"), shown("i1")], [1], id="back to a known one"),
        pytest.param([shown("i1"), shown("i2"), shown("i3")], [1, 2], id="each new one is told"),
        pytest.param([shown("i1", "m1", "c1"), shown("m1", "c1")], [], id="an index, then its manifest"),
        pytest.param([shown("i1", "m1", "c1"), shown("c1")], [], id="an index, then its config"),
        pytest.param([shown("m1", "c1"), shown("i1", "m1", "c1")], [], id="a manifest, then its index"),
        pytest.param([shown("c1"), shown("i1", "m1", "c1"), shown("c1"), shown("m1", "c1")], [], id="a config first"),
        pytest.param([shown("i1", "m1", "c1"), shown("i1", "m2", "c2")], [], id="another platform of one index"),
        pytest.param(
            [shown("i1", "m1", "c1"), shown("i1", "m2", "c2"), shown("m2", "c2")], [], id="its manifest, known by then"
        ),
        pytest.param(
            [shown("i1", "m1", "c1"), shown("m2", "c2")], [1], id="a manifest that no known index was seen to lead to"
        ),
        pytest.param(
            [shown("i1", "m1", "c1"), shown("i2", "m1", "c1"), shown("i2", "m9", "c9")],
            [1],
            id="an index that shares one platform with the known one, and then shows another",
        ),
        pytest.param(
            [shown("m1", "c1"), shown("i1", "m1", "c1"), shown("i2", "m1", "c1")],
            [2],
            id="a second index of one manifest",
        ),
        pytest.param(
            [shown("c1"), shown("i1", "m1", "c1"), shown("i2", "m2", "c1")], [2], id="a second index of one config"
        ),
        pytest.param([shown("m1", "c1"), shown("m2", "c1")], [1], id="another manifest of one config"),
        pytest.param([shown("r1", "c1"), shown("r2", "c1")], [1], id="nobody knows of which type they are"),
        pytest.param([shown("r1", "c1"), shown("r1"), shown("i1", "c2")], [2], id="digests are compared as they are"),
        pytest.param([shown("i1", "m1", "c1"), shown("c2")], [1], id="an import without a repository digest"),
        pytest.param([shown("i1", "c1"), shown("i1", "i2", "c1")], [], id="two indexes of one image, by which unknown"),
        pytest.param([shown("i1"), shown("i1", "i2", "c1"), shown("i3", "c1")], [2], id="which does not hide a third"),
        pytest.param([shown("i0", "c0"), shown("i1", "i2", "c1"), shown("i1", "c1")], [1], id="two new ones are one"),
        pytest.param([(), shown("i1"), (), shown("i2")], [3], id="what is unknown says nothing"),
        pytest.param(
            [shown("i1", "c1"), (*shown("i1", "c1"), *shown("i8", repository="elsewhere.example/app"))],
            [],
            id="a name that another pull added",
        ),
        pytest.param(
            [shown("i1", "c1"), (*shown("c2"), *shown("i1", repository="elsewhere.example/app"))],
            [1],
            id="a known digest, under another name",
        ),
    ],
)
def test_a_new_digest_under_a_known_tag_is_told_once(shows: list[tuple[ImageDigest, ...]], moved: list[int]) -> None:
    assert moves_of(*shows) == moved


def test_what_the_tag_led_to_before_is_told_the_last_seen_first() -> None:
    book = Book()
    for number, name in enumerate(["i1", "i2", "i1"]):
        book.take(a_start(number, shown(name)))
    assert book.take(a_start(3, shown("i3"))) == (digest("i1"), digest("i2"))


@pytest.mark.parametrize("image", [f"{APP}:1@{digest('i2')}", f"{APP}@{digest('i2')}"])
def test_a_digest_that_was_asked_for_says_nothing_about_a_tag(image: str) -> None:
    book = Book()
    book.take(a_start(0, shown("i1")))
    before = dict(book.histories)
    assert book.take(a_start(1, shown("i2"), image=image)) is None
    assert book.histories == before


def test_tags_and_repositories_are_apart() -> None:
    book = Book()
    for number, image in enumerate([f"{APP}:1", f"{APP}:2", "registry.example/app2:1", "other.example/app:1"]):
        name = parse(image).name
        assert book.take(a_start(number, shown(f"i{number}", repository=name), image=image)) is None


def test_a_start_that_showed_a_move_shows_it_whenever_it_is_judged_again() -> None:
    book = Book()
    first, second = a_start(0, shown("i1", "c1")), a_start(1, shown("c2"))
    book.take(first)
    assert book.take(second) == (digest("i1"),)
    book.take(a_start(2, shown("i2", "m2", "c2")))
    book.take(a_start(3, shown("i3")))
    assert book.asked(second) == (digest("i1"),)
    assert book.asked(first) is None
    assert book.asked(a_start(2, shown("i2", "m2", "c2"))) is None


def test_a_late_answer_is_about_its_start() -> None:
    book = Book()
    book.take(a_start(0, shown("i1")))
    late = a_start(9, shown("i2"), supersedes="start-1")
    assert book.take(late) == (digest("i1"),)
    assert book.histories[APP, "1"].digests[1].start == "start-1"


def test_seen_when_and_where() -> None:
    book = Book()
    for number, node in [(3, "node-3"), (1, "node-1"), (2, "node-3")]:
        book.take(a_start(number, shown("i1"), node=node))
    (known,) = book.histories[APP, "1"].digests
    assert known.first_seen == "2026-11-24T10:00:01.000000Z"
    assert known.last_seen == "2026-11-24T10:00:03.000000Z"
    assert known.nodes == ("node-1", "node-3")


def test_sizes_are_bounded() -> None:
    book = Book()
    for number in range(200):
        book.take(a_start(number % 60, shown("i1", f"m{number}", f"c{number}"), node="n" * 900 + str(number)))
        book.take(a_start(number % 60, shown(f"i{number + 2}"), node=f"node-{number}"))
    history = book.histories[APP, "1"]
    assert len(history.digests) == 64
    assert history.digests[-1].digest == digest("i201")
    assert len(msgspec.json.encode(history)) < 64 * (64 + 8 + 4) * 100
    assert msgspec.json.decode(msgspec.json.encode(history), type=TagHistory) == history


tellings = st.lists(
    st.tuples(
        st.sampled_from([f"{APP}:1", f"{APP}:2"]),
        st.sampled_from(
            [
                shown("i1", "m1", "c1"),
                shown("i1", "m2", "c2"),
                shown("m1", "c1"),
                shown("c1"),
                shown("i2", "m1", "c1"),
                shown("i1", "i2", "c1"),
                shown("r3", "c3"),
                (),
            ]
        ),
        st.sampled_from(["node-1", "node-2"]),
    ),
    max_size=10,
)


@given(st.data(), tellings)
def test_tags_may_be_told_in_any_order_and_starts_twice(
    data: st.DataObject, told: list[tuple[str, tuple[ImageDigest, ...], str]]
) -> None:
    starts = [a_start(n, digests, image=image, node=node) for n, (image, digests, node) in enumerate(told)]
    once, often = Book(), Book()
    moved = {start.identity: once.take(start) for start in starts}

    one, two = ([start for start in starts if start.reference == parse(f"{APP}:{tag}")] for tag in "12")
    told_before: list[Observation] = []
    while one or two:
        queue = data.draw(st.sampled_from([queue for queue in (one, two) if queue]))
        start = queue.pop(0)
        assert often.take(start) == moved[start.identity]
        told_before.append(start)
        again = data.draw(st.sampled_from([None, *told_before]))
        if again is not None:
            assert often.take(again) == moved[again.identity]
    assert often.histories == once.histories


@given(tellings)
def test_the_first_digest_of_a_tag_is_no_move_and_every_digest_is_told_at_most_once(
    told: list[tuple[str, tuple[ImageDigest, ...], str]],
) -> None:
    book = Book()
    seen: set[tuple[str, frozenset[ImageDigest]]] = set()
    tags: set[str] = set()
    for number, (image, digests, node) in enumerate(told):
        moved = book.take(a_start(number, digests, image=image, node=node))
        if moved is not None:
            assert image in tags
            assert (image, frozenset(digests)) not in seen
            assert moved
        seen.add((image, frozenset(digests)))
        if digests:
            tags.add(image)
