"""Laws of derivation that hold for any bytes."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from rollcall_agent.derive import ContainerCandidate, NotARoot, Rejection, below, derive, unknown_namespace

NAMESPACES = frozenset({"default", "k8s.io", "moby", "docker"})
IDENTIFIER = re.compile(rb"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*")
HEX = re.compile(r"[0-9a-f]{64}")

ids = st.text("0123456789abcdef", min_size=64, max_size=64).map(str.encode)
prefixes = st.sampled_from([b"", b"docker-", b"cri-containerd-", b"crio-", b"libpod-", b"libpod-payload-", b"nerdctl-"])
suffixes = st.sampled_from([b"", b".scope"])
whole_shapes = st.builds(lambda prefix, id_, suffix: prefix + id_ + suffix, prefixes, ids, suffixes)
near_misses = st.one_of(
    st.builds(lambda prefix, id_, more: prefix + id_ + more, prefixes, ids, st.binary(min_size=1, max_size=8)),
    st.builds(lambda prefix, id_: prefix + id_[1:], prefixes, ids),
    st.builds(lambda prefix, id_: prefix + id_.upper(), prefixes, ids),
    st.builds(lambda prefix, id_: prefix + b"conmon-" + id_ + b".scope", prefixes, ids),
    st.sampled_from([b"init", b"system.slice", b"conmon", b"x-conmon-y", b"payload", b"container", b"lxc.monitor.a"]),
)
inner_parts = near_misses.map(lambda part: part.replace(b"/", b"")).filter(
    lambda part: not re.fullmatch(rb"([a-z-]+-)?[0-9a-f]{64}(\.scope)?", part)
)
places = st.sampled_from([b"docker", b"system.slice", b"kubepods", b"pod1", b"default", b"k8s.io", b"lxc", b"buildkit"])
parts = st.one_of(whole_shapes, near_misses, places, st.binary(max_size=20)).map(lambda part: part.replace(b"/", b""))
paths = st.lists(parts, min_size=1, max_size=8).map(lambda several: b"/" + b"/".join(several))
outside_kata = paths.filter(lambda path: not path.startswith(b"/kata_overhead"))
paths_to_shapes = st.builds(lambda path, shape: path + b"/" + shape, paths, whole_shapes)
named = st.builds(lambda place, name: b"/" + place + b"/" + name.encode(), places, st.text("aB3._-\n", max_size=80))
long_paths = st.builds(lambda path, more: path + b"/" + more * (1024 // len(more)), paths, paths)


def leaf(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def root(path: bytes) -> ContainerCandidate | NotARoot:
    return derive(path, leaf(path), path_cut=False, namespaces=NAMESPACES)


@given(st.binary(), st.binary(), st.booleans())
def test_any_bytes_are_answered(path: bytes, last: bytes, cut: bool) -> None:  # noqa: FBT001
    assert isinstance(derive(path, last, path_cut=cut, namespaces=NAMESPACES), (ContainerCandidate, NotARoot))
    unknown_namespace(path)
    below(path, last)


@given(st.one_of(paths, paths_to_shapes, named))
def test_an_id_is_64_hex_or_a_name_in_a_listed_namespace_or_of_a_maker_without_an_api(path: bytes) -> None:
    found = root(path)
    if isinstance(found, NotARoot):
        return
    if found.maker_has_api and not HEX.fullmatch(found.container_id):
        assert found.namespace in NAMESPACES
        assert path == f"/{found.namespace}/{found.container_id}".encode()
        assert IDENTIFIER.fullmatch(found.container_id.encode())
    assert found.container_id.isascii()
    assert found.container_id.isprintable()


@given(
    paths, ids, st.sampled_from([b"crio-conmon-%b.scope", b"libpod-conmon-%b", b"a-conmon-%b", b"docker-%b-conmon-x"])
)
def test_a_conmon_is_never_a_root(path: bytes, id_: bytes, form: bytes) -> None:
    assert root(path + b"/" + form % id_) == NotARoot(reason=Rejection.CONMON)
    assert root(b"/default/" + form % id_) == NotARoot(reason=Rejection.CONMON)


@given(paths, whole_shapes, st.lists(inner_parts, max_size=3), inner_parts)
def test_what_is_below_a_root_and_no_whole_shape_is_no_root(
    path: bytes, shape: bytes, between: list[bytes], last: bytes
) -> None:
    above = path + b"/" + shape
    found = root(b"/".join((above, *between, last)))
    assert isinstance(found, NotARoot)
    if isinstance(root(above), ContainerCandidate) and not between and b"conmon" not in last:
        assert found == NotARoot(reason=Rejection.BELOW_A_ROOT, inside=HEX.findall(shape.decode())[0])


@given(
    outside_kata, ids, ids, st.sampled_from([b"/docker/%b", b"/x.slice/cri-containerd-%b.scope", b"/kubepods/pod1/%b"])
)
def test_the_innermost_whole_shape_wins(path: bytes, outer: bytes, inner: bytes, form: bytes) -> None:
    found = root(path + b"/docker/" + outer + form % inner)
    assert isinstance(found, ContainerCandidate)
    assert found.container_id == inner.decode()
    assert found.nested_below == outer.decode()


@given(long_paths, st.one_of(whole_shapes, inner_parts.filter(bool)))
def test_a_cut_path_answers_as_the_whole_path(path: bytes, last: bytes) -> None:
    whole = path + b"/" + last
    assert derive(whole[:1023], last, path_cut=True, namespaces=NAMESPACES) == root(whole)
    assert derive(whole[:1024], last, path_cut=True, namespaces=NAMESPACES) == root(whole)


@given(paths, st.integers(min_value=1, max_value=8))
def test_below_holds_for_each_directory_above(path: bytes, levels: int) -> None:
    above = path
    for _ in range(levels):
        assert below(path, above)
        above = above.rpartition(b"/")[0]
