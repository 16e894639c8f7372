"""Kernel headers for bcc: which are taken, and which places are named where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollcall_agent.collect.headers import Headers, find_headers
from rollcall_agent.collect.problem import CollectorProblem


def find(tmp_path: Path, environ: dict[str, str] | None = None) -> Headers:
    return find_headers("6.18.1", environ or {}, modules=tmp_path / "modules", kheaders=tmp_path / "kheaders.tar.xz")


def build(tmp_path: Path, release: str) -> Path:
    path = tmp_path / "modules" / release / "build"
    (path / "arch/x86/include/generated/uapi").mkdir(parents=True)
    return path


def test_those_of_the_running_kernel_need_no_word_to_bcc(tmp_path: Path) -> None:
    build(tmp_path, "6.1.0")
    own = build(tmp_path, "6.18.1")
    assert find(tmp_path) == Headers(description=str(own))


def test_the_kernels_own_archive_comes_before_another_releases(tmp_path: Path) -> None:
    build(tmp_path, "6.1.0")
    (tmp_path / "kheaders.tar.xz").touch()
    assert find(tmp_path).source is None


def test_the_newest_of_another_release_serves(tmp_path: Path) -> None:
    for release in ("6.1.0-9-amd64", "6.12.0-1-amd64", "6.2.0"):
        build(tmp_path, release).with_name("source").mkdir()
    found = find(tmp_path)
    assert found.source == tmp_path / "modules/6.12.0-1-amd64/source"
    generated = tmp_path / "modules/6.12.0-1-amd64/build/arch/x86/include/generated"
    assert f"-I{generated}" in found.flags()
    assert f"-I{generated / 'uapi'}" in found.flags()


def test_a_tree_in_one_piece_is_its_own_source(tmp_path: Path) -> None:
    whole = build(tmp_path, "6.2.0")
    assert find(tmp_path).source == whole


def test_what_is_named_is_taken_and_checked(tmp_path: Path) -> None:
    (tmp_path / "include/linux").mkdir(parents=True)
    with pytest.raises(CollectorProblem, match=r"kconfig\.h is missing"):
        find(tmp_path, {"BCC_KERNEL_SOURCE": str(tmp_path)})
    (tmp_path / "include/linux/kconfig.h").touch()
    assert find(tmp_path, {"BCC_KERNEL_SOURCE": str(tmp_path)}).source is None


def test_where_there_are_none_the_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(CollectorProblem) as caught:
        find(tmp_path)
    for place in ("modules/6.18.1/build", "kheaders.tar.xz", "BCC_KERNEL_SOURCE"):
        assert place in caught.value.what
    assert "linux-headers" in caught.value.remedy
