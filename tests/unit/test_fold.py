"""Counts by image: exact in any order, over late answers and double deliveries, in bounded room."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.fold import UNRESOLVED, ImageRecord, RecordKey, Share, Tally, fold, is_news, moves, share
from rollcall.fold.share import Place
from rollcall.observation import Observation
from rollcall.record import DigestKind, ImageDigest, Resolution
from rollcall.references import parse

NGINX = "docker.io/library/nginx"
INDEX, MANIFEST, CONFIG = (f"sha256:{digit * 64}" for digit in "123")


def an_observation(
    image: str | None = "nginx:1.27",
    *,
    identity: str = "start-1",
    supersedes: str | None = None,
    resolution: Resolution = Resolution.RESOLVED,
    digests: Iterable[ImageDigest] = (),
    repository_digest: str | None = None,
    config: str | None = None,
    namespace: str | None = "shop",
    confirmed: bool = True,
    workload: str = "Deployment/web",
    node: str = "node-1",
    ctime: str | None = "2026-11-24T10:00:00.000000Z",
) -> Observation:
    return Observation(
        identity=identity,
        container_id="c",
        outside=False,
        pod_confirmed=confirmed,
        namespace=namespace,
        node=node,
        workload=workload,
        reference=parse(image) if image is not None else None,
        digests=frozenset(digests),
        repository_digest=repository_digest,
        config=config,
        resolution=resolution,
        ctime=ctime,
        supersedes=supersedes,
    )


def a_digest(digest: str, kind: DigestKind, repository: str | None = None) -> ImageDigest:
    return ImageDigest(digest=digest, kind=kind, source="test", repository=repository)


PULLED = (
    a_digest(INDEX, DigestKind.INDEX, NGINX),
    a_digest(MANIFEST, DigestKind.MANIFEST, NGINX),
    a_digest(CONFIG, DigestKind.CONFIG),
)


class Store:
    """What keeps records, as the simplest store would."""

    def __init__(self) -> None:
        self.records: dict[RecordKey, ImageRecord] = {}
        self.counted: dict[str, Share] = {}

    def take(self, new: Share) -> None:
        before = self.counted.get(new.start)
        for one, starts in moves(new, before):
            self.records[one.key] = fold(self.records.get(one.key), one, starts)
        if is_news(new, before):
            self.counted[new.start] = new


def test_a_start_counts_under_its_repository_digest_and_its_other_digests_are_aliases() -> None:
    store = Store()
    store.take(share(an_observation(digests=PULLED, repository_digest=INDEX, config=CONFIG)))
    record = store.records[RecordKey(NGINX, INDEX)]
    assert record.starts == 1
    assert record.kind is DigestKind.INDEX
    assert record.first_seen == record.last_seen == "2026-11-24T10:00:00.000000Z"
    assert [(each.what.digest, each.what.kind, each.starts) for each in record.aliases.kept] == [
        (MANIFEST, "manifest", 1),
        (CONFIG, "config", 1),
    ]
    assert [(each.what, each.starts) for each in record.tags.kept] == [("1.27", 1)]
    assert record.places.kept[0].what == Place(namespace="shop", workload="Deployment/web", node="node-1")


@pytest.mark.parametrize(
    ("observation", "key"),
    [
        (an_observation(config=CONFIG), (NGINX, CONFIG)),
        (an_observation(), (NGINX, UNRESOLVED)),
        (an_observation(None, config=CONFIG), ("", CONFIG)),
        (an_observation(None, resolution=Resolution.UNRESOLVED), ("", UNRESOLVED)),
        # several digests of the requested repository, and nobody knows by which it was meant
        (an_observation(digests=PULLED, config=CONFIG), (NGINX, CONFIG)),
        # asked for by a digest that the runtime does not confirm
        (an_observation(f"nginx@{MANIFEST}", config=CONFIG), (NGINX, CONFIG)),
    ],
)
def test_a_start_belongs_to_exactly_one_record(observation: Observation, key: tuple[str, str]) -> None:
    assert share(observation).key == key


def test_a_namespace_that_no_runtime_stands_for_is_no_place() -> None:
    assert share(an_observation(confirmed=False)).place.namespace == ""


def test_names_are_bounded() -> None:
    place = share(an_observation(namespace="n" * 5000, workload="Pod/" + "w" * 5000, node="m" * 5000)).place
    assert sum(map(len, (place.namespace, place.workload, place.node))) < 1000


@pytest.mark.parametrize("ctime", [None, "", "yesterday", "2026-11-24T10:00:00", "99999-01-01T00:00:00Z"])
def test_a_time_that_is_none_is_unknown(ctime: str | None) -> None:
    record = fold(None, share(an_observation(ctime=ctime)), 1)
    assert (record.first_seen, record.last_seen, record.starts) == (None, None, 1)


def test_times_are_compared_as_times() -> None:
    record = None
    for ctime in ["2026-11-24T10:00:00.5Z", "2026-11-24T10:00:00Z", "2026-11-24T12:00:00.25+02:00"]:
        record = fold(record, share(an_observation(ctime=ctime)), 1)
    assert record is not None
    assert (record.first_seen, record.last_seen) == ("2026-11-24T10:00:00.000000Z", "2026-11-24T10:00:00.500000Z")


def test_a_late_answer_moves_a_start_to_its_image() -> None:
    store = Store()
    store.take(share(an_observation(None, resolution=Resolution.UNRESOLVED)))
    assert store.records[RecordKey("", UNRESOLVED)].starts == 1
    late = share(an_observation(identity="late-1", supersedes="start-1", config=CONFIG))
    store.take(late)
    store.take(late)
    assert {tuple(key): record.starts for key, record in store.records.items()} == {
        ("", UNRESOLVED): 0,
        (NGINX, CONFIG): 1,
    }


def test_a_share_counts_in_its_own_record_alone() -> None:
    with pytest.raises(ValueError, match="not counted under"):
        fold(fold(None, share(an_observation()), 1), share(an_observation("redis")), 1)


def test_a_record_survives_being_stored() -> None:
    record = fold(None, share(an_observation(digests=PULLED, repository_digest=INDEX)), 1)
    assert msgspec.json.decode(msgspec.json.encode(record), type=ImageRecord) == record
    one = share(an_observation(digests=PULLED, repository_digest=INDEX))
    assert msgspec.json.decode(msgspec.json.encode(one), type=Share) == one


@st.composite
def answers(draw: st.DrawFn) -> list[Observation]:
    """One to three answers about each of several starts."""
    found = []
    for number in range(draw(st.integers(1, 8))):
        node = draw(st.sampled_from(["node-1", "node-2"]))
        ctime = draw(st.sampled_from([None, *(f"2026-11-24T10:00:0{digit}Z" for digit in range(6))]))
        start = f"start-{number}"
        if draw(st.booleans()):
            found.append(an_observation(None, identity=start, resolution=Resolution.UNRESOLVED, node=node, ctime=ctime))
        for revision, supersedes in [(start, None), (f"late-{number}", start)]:
            if draw(st.booleans()):
                image = draw(st.sampled_from(["nginx", "nginx:1.27", "redis:7"]))
                digest = draw(st.sampled_from([None, INDEX]))
                name = draw(st.sampled_from(["a", "b", "c"]))
                found.append(
                    an_observation(
                        image,
                        identity=revision,
                        supersedes=supersedes,
                        digests=PULLED if digest else (),
                        repository_digest=digest,
                        workload=f"Pod/{name}",
                        node=node,
                        ctime=ctime,
                    )
                )
    return found


@given(st.data(), answers())
def test_records_are_a_plain_recount_in_any_order_and_number_of_deliveries(
    data: st.DataObject, told: list[Observation]
) -> None:
    shares = [share(observation) for observation in told]
    once, often = Store(), Store()
    for one in shares:
        once.take(one)
    again = data.draw(st.lists(st.sampled_from(shares), max_size=8)) if shares else []
    for one in data.draw(st.permutations(shares + again)):
        often.take(one)
    assert often.records == once.records
    assert often.counted == once.counted

    best: dict[str, Share] = {}
    for one in sorted(shares, key=lambda one: one.standing):
        best[one.start] = one
    recount: defaultdict[RecordKey, list[Share]] = defaultdict(list)
    for one in best.values():
        recount[one.key].append(one)
    for key, record in often.records.items():
        assert record.starts == len(recount[key])
        assert record.starts == sum(each.starts for each in record.places.kept)
        for each in record.tags.kept:
            assert each.starts == sum(one.tag == each.what for one in recount[key])
        times = [one.at for one in shares if one.key == key and one.at is not None]
        assert (record.first_seen, record.last_seen) == ((min(times), max(times)) if times else (None, None))


@given(st.data(), st.lists(st.tuples(st.integers(0, 9), st.integers(-2, 3)), max_size=40))
def test_a_tally_keeps_the_first_things_with_exact_counts_in_any_order(
    data: st.DataObject, added: list[tuple[int, int]]
) -> None:
    tally = Tally[int]()
    for what, starts in data.draw(st.permutations(added)):
        tally = tally.add(what, starts, 4)
    wanted = sorted({what for what, _ in added})[:4]
    assert [(each.what, each.starts) for each in tally.kept] == [
        (what, sum(starts for other, starts in added if other == what)) for what in wanted
    ]
    assert tally.left_out == sum(starts for what, starts in added if what not in wanted)


def test_a_record_of_many_places_says_how_many_starts_it_left_out() -> None:
    record = None
    for number in range(500):
        record = fold(record, share(an_observation(identity=f"start-{number}", workload=f"Pod/{number:03}")), 1)
    assert record is not None
    assert (record.starts, len(record.places.kept), record.places.left_out) == (500, 64, 436)
