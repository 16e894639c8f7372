"""Which containers a policy or an exception is for: yes, no, or not to be told.

What is unknown (a place, a name, labels that are missing or cut) makes an answer unknown only where it could change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from rollcall.observation import Observation
from rollcall.patterns import Glob, name_pattern
from rollcall.policy.model import LabelSelector, Match
from rollcall.policy.selectors import holds, is_empty, keys

Answer = bool | None
"""None: not to be told."""


class CompiledMatch:
    """A `match`, compiled. Sandboxes are meant only where it says so; what may be one is taken for a container."""

    __slots__ = ("_containers", "_names", "_namespaces", "_nodes", "_pods", "inside", "outside", "sandboxes")

    def __init__(self, match: Match) -> None:
        namespaces = match.namespaces
        self.outside = match.outside_kubernetes
        self.inside = not match.outside_kubernetes or namespaces is not None or match.pods is not None
        self.sandboxes = match.sandboxes
        self._names = _patterns(namespaces.names if namespaces is not None else ())
        self._namespaces = _selector(namespaces)
        self._pods = _selector(match.pods)
        self._nodes = _selector(match.nodes)
        self._containers = _patterns(match.containers)

    @property
    def namespaces(self) -> tuple[Glob, ...]:
        """The patterns of which a pod's namespace must match one; none where any will do."""
        return self._names

    @property
    def pod_label(self) -> tuple[str, str] | None:
        """One label that a pod must have, None where it takes none or more than that to tell."""
        return min(self._pods.match_labels.items(), default=None) if self._pods is not None else None

    @property
    def looks_at_containers(self) -> bool:
        """Whether containers' names have a part in the answer."""
        return bool(self._containers)

    def label_keys(self) -> tuple[set[str], set[str], set[str]]:
        """Return the keys of labels that have a part in the answer: of namespaces, of pods, of nodes."""
        namespaces, pods, nodes = (
            set(keys(selector)) if selector is not None else set[str]()
            for selector in (self._namespaces, self._pods, self._nodes)
        )
        return namespaces, pods, nodes

    def selects(self, observation: Observation) -> Answer:
        """Say whether it is for a container."""
        if observation.sandbox and not self.sandboxes:
            return False
        return _all(part(self, observation) for _, part in _PARTS)

    def unknown(self, observation: Observation) -> list[str]:
        """Name what is unknown of a container and has a part in the answer."""
        return [name for name, part in _PARTS if part(self, observation) is None]

    def _place(self, observation: Observation) -> Answer:
        if observation.outside is None:
            inside = self._in_pods(observation)
            return inside if inside == self.outside else None
        return self.outside if observation.outside else self._in_pods(observation)

    def _in_pods(self, observation: Observation) -> Answer:
        if not self.inside:
            return False
        confirmed = observation.pod_confirmed
        namespace = observation.namespace if confirmed else None
        namespace_labels = observation.namespace_labels if confirmed else None
        pod_labels = None if observation.pod_labels_truncated or not confirmed else observation.pod_labels
        return _all(
            iter(
                (
                    _named(self._names, namespace),
                    _holds(self._namespaces, namespace_labels),
                    _holds(self._pods, pod_labels),
                )
            )
        )

    def _on_node(self, observation: Observation) -> Answer:
        return _holds(self._nodes, observation.node_labels)

    def _container(self, observation: Observation) -> Answer:
        if self._containers and observation.sandbox:
            return False
        return _named(self._containers, observation.container)


_PARTS: Final[tuple[tuple[str, Callable[[CompiledMatch, Observation], Answer]], ...]] = (
    ("its pod, or labels of its pod or namespace", CompiledMatch._place),  # noqa: SLF001 - a table of its own methods
    ("labels of its node", CompiledMatch._on_node),  # noqa: SLF001
    ("its container's name", CompiledMatch._container),  # noqa: SLF001
)


def _all(answers: Iterator[Answer]) -> Answer:
    """Say whether all hold: no as soon as one does not, whatever is unknown."""
    result: Answer = True
    for answer in answers:
        if answer is False:
            return False
        if answer is None:
            result = None
    return result


def _patterns(texts: tuple[str, ...]) -> tuple[Glob, ...]:
    """Compile patterns of names; `*` among them is as good as none, whatever the name."""
    return () if "*" in texts else tuple(name_pattern(text) for text in texts)


def _selector(selector: LabelSelector | None) -> LabelSelector | None:
    return None if selector is None or is_empty(selector) else selector


def _named(patterns: tuple[Glob, ...], name: str | None) -> Answer:
    if not patterns:
        return True
    return None if name is None else any(pattern.matches(name) for pattern in patterns)


def _holds(selector: LabelSelector | None, labels: Mapping[str, str] | None) -> Answer:
    if selector is None:
        return True
    return None if labels is None else holds(selector, labels)
