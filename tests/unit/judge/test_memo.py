"""What is remembered is bounded, and what was asked for last stays."""

from __future__ import annotations

from rollcall.judge.memo import Memo


def test_the_longest_unasked_is_forgotten_first() -> None:
    memo: Memo[int] = Memo(2)
    found: list[str] = []

    def ask(key: str) -> int:
        def find() -> int:
            found.append(key)
            return len(found)

        return memo.get(key, find)

    assert [ask(key) for key in "abab"] == [1, 2, 1, 2]
    ask("a")
    ask("c")
    assert len(memo) == 2
    assert ask("a") == 1
    assert ask("b") == 4
    assert found == ["a", "b", "c", "b"]
