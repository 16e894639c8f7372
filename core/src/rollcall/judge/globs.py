"""Finds what belongs to the patterns that a text matches: by their literal beginnings, never by trying all of them."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from typing import Generic, TypeVar

from rollcall.patterns import Glob

Item = TypeVar("Item")


class GlobIndex(Generic[Item]):
    """Items by patterns. A pattern that several items have is tried once."""

    def __init__(self) -> None:
        self._literal: dict[str, list[Item]] = {}
        self._wild: dict[str, dict[str, tuple[Glob, list[Item]]]] = {}
        self._lengths: list[int] = []

    def add(self, glob: Glob, item: Item) -> None:
        """Add an item that a pattern leads to."""
        if glob.literal:
            self._literal.setdefault(glob.text, []).append(item)
            return
        if len(glob.prefix) not in self._lengths:
            insort(self._lengths, len(glob.prefix))
        self._wild.setdefault(glob.prefix, {}).setdefault(glob.text, (glob, []))[1].append(item)

    def matching(self, text: str) -> Iterator[Item]:
        """Yield the items of all patterns that match; one that has several of them comes as often."""
        yield from self._literal.get(text, ())
        for length in self._lengths:
            if length > len(text):
                break
            for glob, items in self._wild.get(text[:length], {}).values():
                if glob.matches(text):
                    yield from items
