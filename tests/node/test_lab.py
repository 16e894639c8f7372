"""The laboratory itself: what it runs is real, and nothing of it is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.images import make_image, make_index, write_archive
from lab.node_lab import node_lab
from lab.scratch import CGROUPS, PREFIX, Scratch, scratch
from lab.tree import Tree
from lab.waiting import wait_until
from rollcall_agent.collect.hierarchy import followed_here

if TYPE_CHECKING:
    from lab.node_lab import NodeLab

OWNER = """
import time
from lab.node_lab import node_lab
with node_lab() as lab:
    lab.cri.run_container(lab.cri.run_pod("left"), "left", lab.reference)
    lab.ctr.run(lab.reference, "left")
    print(lab.scratch.folder, flush=True)
    time.sleep(600)
"""


def processes_in(cgroup: str) -> list[str]:
    return (followed_here().mount / cgroup.lstrip("/") / "cgroup.procs").read_text().split()


def images(node: NodeLab) -> dict[str, str]:
    """Names and targets of the images in CRI's namespace, as containerd itself tells them."""
    lines = node.ctr("--namespace", "k8s.io", "images", "ls").splitlines()[1:]
    return {line.split()[0]: line.split()[2] for line in lines}


def left_of(place: Scratch, sockets: list[Path] | None = None) -> list[object]:
    """What can still be found of a scratch by its name, and which of its shims' sockets."""
    name = place.folder.name[len(PREFIX) :]
    directories = [path for path in CGROUPS.glob("**/*lab-*") if name in path.name]
    files = [path for path in (place.folder, *(sockets or [])) if path.exists()]
    return [*place.processes(), *place.mounts(), *directories, *files]


def test_a_pod_with_two_containers_runs_where_the_kubelet_would_put_it(node: NodeLab) -> None:
    pod = node.cri.run_pod("web", namespace="shop")
    both = [node.cri.run_container(pod, name, node.reference) for name in ("front", "back")]
    parent = f"{node.scratch.cgroup_root}/kubepods/besteffort/pod{pod.uid}"
    assert all(processes_in(f"{parent}/{container_id}") for container_id in (pod.sandbox_id, *both))
    node.cri.remove_pod(pod)
    assert [path for path in node.scratch.cgroups() if path.name in (pod.sandbox_id, *both)] == []


def test_images_have_real_repository_digests(node: NodeLab) -> None:
    other = make_image("other", architecture="s390x")
    index = make_index([make_image("mine"), other])
    by_digest = node.registry.push(index, "lab/multi", "2", "latest")
    assert by_digest == f"{node.registry.address}/lab/multi@{index.root.digest}"
    config = node.cri.pull(f"{node.registry.address}/lab/multi:2")
    assert config == index.config_digest
    assert images(node)[f"{node.registry.address}/lab/multi:2"] == index.root.digest
    assert images(node)[by_digest] == index.root.digest


def test_an_image_is_the_same_whenever_it_is_made() -> None:
    assert make_image("a").root.digest == make_image("a").root.digest
    assert make_image("a").root.digest != make_image("b").root.digest
    assert make_image("a").config_digest != make_image("b").config_digest


def test_dockers_media_types_are_pulled_too(node: NodeLab) -> None:
    image = make_image("docker", media_types="docker")
    node.registry.push(image, "lab/docker", "1")
    assert node.cri.pull(f"{node.registry.address}/lab/docker:1") == image.config_digest


def test_a_deleted_manifest_is_gone(node: NodeLab) -> None:
    image = make_image("deleted")
    node.registry.push(image, "lab/deleted", "1")
    node.registry.delete("lab/deleted", image.root.digest)
    with pytest.raises(OSError, match="404"):
        urllib.request.urlopen(f"http://{node.registry.address}/v2/lab/deleted/manifests/{image.root.digest}")


def test_an_archive_is_imported_without_a_registry(node: NodeLab, tmp_path: Path) -> None:
    image = make_image("imported")
    write_archive(image, tmp_path / "image.tar", "example.test/imported:3")
    node.ctr.import_archive(tmp_path / "image.tar")
    node.ctr.run("example.test/imported:3", "imported")
    assert processes_in(node.ctr.cgroup("imported"))
    node.ctr.end("imported")


def test_a_container_of_ctr_runs_and_starts_again_under_its_id(node: NodeLab) -> None:
    node.ctr.run(node.reference, "again")
    first = processes_in(node.ctr.cgroup("again"))
    node.ctr.end("again")
    node.ctr.start_again("again")
    assert first != processes_in(node.ctr.cgroup("again")) != []
    node.ctr.end("again")
    node.ctr.remove("again")


def test_limits_are_set_and_an_end_is_seen(node: NodeLab) -> None:
    pod = node.cri.run_pod("limited")
    command = ("/bin/sh", "-c", "exit 0")
    container_id = node.cri.create_container(
        pod, "job", node.reference, *command, memory_limit=32 << 20, cpu_quota=50_000
    )
    info = json.loads(node.ctr("--namespace", "k8s.io", "containers", "info", container_id))
    resources = info["Spec"]["linux"]["resources"]
    assert (resources["memory"]["limit"], resources["cpu"]["quota"]) == (32 << 20, 50_000)
    node.cri.start_container(container_id)
    wait_until(lambda: node.cri.has_exited(container_id), "the container ends")
    node.cri.remove_container(container_id)
    node.cri.remove_pod(pod)


def test_containers_outlive_a_containerd_that_is_killed(node: NodeLab) -> None:
    node.ctr.run(node.reference, "outlives")
    before = processes_in(node.ctr.cgroup("outlives"))
    node.containerd.kill()
    assert processes_in(node.ctr.cgroup("outlives")) == before
    node.containerd.start()
    assert "outlives" in node.ctr("tasks", "ls")
    node.ctr.end("outlives")


def test_a_frozen_containerd_hangs_and_goes_on(node: NodeLab) -> None:
    node.containerd.freeze()
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["ctr", "--address", str(node.containerd.socket), "version"], timeout=0.5, check=False)
    node.containerd.thaw()
    assert node.cri.ready()


def test_cgroups_of_any_name_are_made_and_removed() -> None:
    with scratch() as place:
        tree = Tree(place)
        made = tree.make(b"kubepods/\xff\x1b[31m/" + b"a" * 64)
        directory = followed_here().mount / made.path.decode(errors="surrogateescape").lstrip("/")
        assert directory.stat().st_ino == made.cgroup_id
        tree.remove(made)
        assert not directory.exists()
    assert left_of(place) == []


def test_nothing_is_left_behind() -> None:
    with node_lab() as lab:
        lab.cri.run_container(lab.cri.run_pod("left"), "left", lab.reference)
        lab.ctr.run(lab.reference, "left")
        lab.containerd.freeze()
        sockets = lab.scratch.shim_sockets()
    assert left_of(lab.scratch, sockets) == []


def test_what_a_killed_owner_left_is_removed_by_the_next(tmp_path: Path) -> None:
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environ) as owner:
        assert owner.stdout is not None
        abandoned = Scratch(Path(owner.stdout.readline().strip()))
        owner.send_signal(signal.SIGKILL)
    sockets = abandoned.shim_sockets()
    assert len(set(sockets)) == 2  # a pod's and ctr's
    assert abandoned.processes()
    with scratch():
        assert left_of(abandoned, sockets) == []
