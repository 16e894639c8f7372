"""Whose a start is beyond its pod: the Deployment, Job, service… that its labels and its name give, by one table.

Pods and containers come and go; what is counted and what is alerted about belongs to what made them. Labels are the
tenant's to choose, so that a row of the table holds only where the pod's name has the form that its controller gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from rollcall.record import ContainerCreate
from rollcall.text import shortened

LONGEST: Final = 253
"""Characters of a workload's name: what Kubernetes allows."""

_BASE: Final = 58
"""Characters that a made-up name keeps of its `generateName` (k8s.io/apiserver/pkg/storage/names)."""
_RANDOM_LENGTH: Final = 5
_RANDOM: Final = re.compile(r"[bcdfghjklmnpqrstvwxz2456789]{5}")
"""What follows them (k8s.io/apimachinery/pkg/util/rand)."""
_LONGEST_INDEX: Final = 12
"""Characters that an indexed Job cuts off its name for the index, and more (batch: podGenerateNameWithIndex)."""
_ORDINAL: Final = re.compile(r"(.+)-[0-9]{1,10}")
_SCHEDULED: Final = re.compile(r"(.+)-(?:2[5-9]|[3-9][0-9])[0-9]{6}")
"""A Job's name from a CronJob ends in the minutes since 1970 (batch: getTimeHashInMinutes): at least 25,000,000 since
2017, where a date such as 20261124 in the name of a plain Job is less."""

_Labels = Mapping[str, str]


class Workload(Struct, frozen=True):
    """What made a container: `kind`, as its maker calls it, and `name`, at most 253 characters, hostile as any name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def workload(record: ContainerCreate) -> Workload:
    """Give the workload of a start. Whatever the labels say, there is one."""
    pod, container = record.pod, record.container
    if pod.name:
        found = _first(_OF_PODS, pod.labels, pod.name) or Workload("Pod", pod.name)
    else:
        name = container.name or record.container_id
        found = _first(_OF_CONTAINERS, container.labels, name) or Workload("Container", name)
    return Workload(found.kind, shortened(found.name, LONGEST))


_Row = Callable[[_Labels, str], Workload | None]
"""Reads labels, and the name of the pod or container; None where they are not of its kind."""


def _first(table: tuple[_Row, ...], labels: _Labels, name: str) -> Workload | None:
    return next((found for row in table if (found := row(labels, name)) is not None), None)


def _rollout(labels: _Labels, pod: str) -> Workload | None:
    return _hashed("Rollout", labels.get("rollouts-pod-template-hash"), pod)


def _deployment(labels: _Labels, pod: str) -> Workload | None:
    return _hashed("Deployment", labels.get("pod-template-hash"), pod)


def _hashed(kind: str, template: str | None, pod: str) -> Workload | None:
    """Undo `<name>-<hash>-<5 random>`. In a long name the hash is cut short, or gone with the end of the name."""
    base = _without_random(pod)
    if not template or base is None:
        return None
    suffix = f"-{template}"
    if not base.endswith(suffix):
        if len(pod) != _BASE + _RANDOM_LENGTH:
            return None
        suffix = next((suffix[:n] for n in range(len(suffix) - 1, 0, -1) if base.endswith(suffix[:n])), "")
    name = base.removesuffix(suffix)
    return Workload(kind, name) if name else None


def _stateful_set(labels: _Labels, pod: str) -> Workload | None:
    if "controller-revision-hash" not in labels:
        return None
    if "apps.kubernetes.io/pod-index" not in labels and labels.get("statefulset.kubernetes.io/pod-name") != pod:
        return None
    match = _ORDINAL.fullmatch(pod)
    return Workload("StatefulSet", match[1]) if match else None


def _daemon_set(labels: _Labels, pod: str) -> Workload | None:
    base = _without_random(pod) if "controller-revision-hash" in labels else None
    return Workload("DaemonSet", base) if base else None


def _job(labels: _Labels, pod: str) -> Workload | None:
    job = labels.get("batch.kubernetes.io/job-name") or labels.get("job-name")
    if not job or not pod.startswith(job[: _BASE - _LONGEST_INDEX]):
        return None
    match = _SCHEDULED.fullmatch(job)
    return Workload("CronJob", match[1]) if match else Workload("Job", job)


def _without_random(pod: str) -> str | None:
    """Undo the API server's `generateName`: `<58 characters at most>` and 5 random ones; None where it gave none."""
    base = pod[:-_RANDOM_LENGTH]
    if not _RANDOM.fullmatch(pod[-_RANDOM_LENGTH:]) or not (base.endswith("-") or len(base) == _BASE):
        return None
    return base.removesuffix("-")


def _swarm(labels: _Labels, _name: str) -> Workload | None:
    service = labels.get("com.docker.swarm.service.name")
    return Workload("SwarmService", service) if service else None


def _compose(labels: _Labels, _name: str) -> Workload | None:
    project, service = labels.get("com.docker.compose.project"), labels.get("com.docker.compose.service")
    return Workload("ComposeService", f"{project}/{service}") if project and service else None


_OF_PODS: Final[tuple[_Row, ...]] = (_rollout, _deployment, _stateful_set, _daemon_set, _job)
_OF_CONTAINERS: Final[tuple[_Row, ...]] = (_swarm, _compose)
