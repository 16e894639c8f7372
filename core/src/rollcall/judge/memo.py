"""A bounded memory of answers: the longest unasked is forgotten first."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Memo(Generic[Answer]):
    """At most `most` answers by key. An answer must depend on its key alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Hashable, Answer] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, find: Callable[[], Answer]) -> Answer:
        """Return the answer for a key, found now or before."""
        answer = self._kept.pop(key) if key in self._kept else find()
        self._kept[key] = answer  # a dict keeps the order of insertion: now it is the youngest
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
        return answer
