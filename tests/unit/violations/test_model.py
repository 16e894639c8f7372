"""Violations against a slow and obvious model: lists of facts, looked through from the beginning after every input."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lab.violating import Keeper, failing
from rollcall.violations import (
    EXCESS,
    Change,
    End,
    Ended,
    Input,
    Judged,
    Key,
    Late,
    LiveSet,
    NamespaceGone,
    NodeGone,
    NodeSilent,
    PolicySetChanged,
    Start,
    State,
)

CAP = 2
NODES = ("node-1", "node-2")
NAMESPACES = ("shop", "bank")
POLICIES = ("p", "q", "r")
Told = tuple[Change, Key, End | None]


class Facts:
    """The model. What is told: `told`, those told one by one, `unknown` of them, `waiting` and since when."""

    def __init__(self) -> None:
        self.alive: dict[tuple[str, str], list[Key]] = {}
        self.missed: Counter[tuple[str, str]] = Counter()
        self.reports: dict[str, tuple[str, int]] = {}
        self.silent: set[str] = set()
        self.told: list[Key] = []
        self.unknown: set[Key] = set()
        self.waiting: list[tuple[int, Key]] = []
        self.excess: set[str] = set()
        self.starts: Counter[Key] = Counter()
        self.now = 0

    def nodes_of(self, key: Key) -> list[str]:
        return [node for (node, _), keys in self.alive.items() if key in keys]

    def told_in(self, namespace: str) -> list[Key]:
        return [key for key in self.told if key.namespace == namespace]

    def waiting_in(self, namespace: str) -> list[tuple[int, Key]]:
        return sorted(pair for pair in self.waiting if pair[1].namespace == namespace)

    def clear(self, ends: dict[Key, End], keys: list[Key]) -> list[Told]:
        said: list[Told] = []
        for key in keys:
            if not self.nodes_of(key):
                if key in self.told:
                    self.told.remove(key)
                    said.append((Change.OVER, key, ends[key]))
                self.waiting = [pair for pair in self.waiting if pair[1] != key]
        return said

    def fail(self, key: Key) -> Told:
        if key in self.told:
            return Change.REPEATED, key, None
        if all(key != waiting for _, waiting in self.waiting):
            if len(self.told_in(key.namespace)) < CAP:
                self.told.append(key)
                return Change.OPENED, key, None
            self.waiting.append((self.now, key))
        again = key.namespace in self.excess
        self.excess.add(key.namespace)
        return Change.REPEATED if again else Change.OPENED, excess_of(key.namespace), None

    def settle(self, failed: list[Key], ends: dict[Key, End], deleted: str = "") -> list[Told]:
        """Say what is to be told after `alive` has changed; `ends` are for what is left by its last container."""
        self.now += 1
        said = self.clear(ends, [key for key in [*self.told, *(key for _, key in self.waiting)] if key not in failed])
        for key in failed:
            self.starts[key] += 1
            said.append(self.fail(key))
        said += self.clear(ends, failed)
        for namespace in NAMESPACES:
            for pair in self.waiting_in(namespace):
                if len(self.told_in(namespace)) < CAP:
                    self.waiting.remove(pair)
                    self.told.append(pair[1])
                    said.append((Change.OPENED, pair[1], None))
            if namespace in self.excess and len(self.told_in(namespace)) < CAP:
                self.excess.remove(namespace)
                end = End.NAMESPACE_DELETED if namespace == deleted else End.ROOM
                said.append((Change.OVER, excess_of(namespace), end))
        unknown = {key for key in self.told if all(node in self.silent for node in self.nodes_of(key))}
        said += [(Change.UNKNOWN, key, None) for key in unknown - self.unknown]
        said += [(Change.KNOWN, key, None) for key in (self.unknown - unknown) & set(self.told)]
        self.unknown = unknown
        return said


def excess_of(namespace: str) -> Key:
    return Key(policy="", rule=EXCESS, namespace=namespace)


class Violations(RuleBasedStateMachine):
    """Does to a book, and to the model, what can happen."""

    def __init__(self) -> None:
        super().__init__()
        self.keeper = Keeper(most_open=CAP)
        self.facts = Facts()
        self.running: dict[tuple[str, str], dict[str, Any]] = {}
        self.number = 0

    @initialize()
    def begin(self) -> None:
        for name in ("a", "b"):
            self.start(NODES[0], NAMESPACES[0], f"Pod/{name}", {"p"}, ended=False)

    # --- what happens

    @rule(
        node=st.sampled_from(NODES),
        namespace=st.sampled_from(NAMESPACES),
        workload=st.sampled_from(["Pod/a", "Pod/b", "Pod/c"]),
        policies=st.sets(st.sampled_from(POLICIES)),
        ended=st.booleans(),
    )
    def start(self, node: str, namespace: str, workload: str, policies: set[str], *, ended: bool) -> None:
        self.number += 1
        start = f"start-{self.number:03}"
        place: dict[str, Any] = {"node": node, "namespace": namespace, "workload": workload}
        judged = failing(start, *sorted(policies), **place)
        if not ended:
            self.running[node, start] = place
        self.failed(Start(judged=judged, ended=ended), judged, ended=ended)

    @rule(data=st.data(), policies=st.sets(st.sampled_from(POLICIES)))
    def the_same_start_again(self, data: st.DataObject, policies: set[str]) -> None:
        failing_ones = [each for each, keys in self.facts.alive.items() if keys]
        if failing_ones:
            node, start = data.draw(st.sampled_from(failing_ones))
            self.tell(Start(judged=failing(start, *sorted(policies), **self.running[node, start])), [])

    @rule(data=st.data(), policies=st.sets(st.sampled_from(POLICIES)), ended=st.booleans())
    def late_answer(self, data: st.DataObject, policies: set[str], *, ended: bool) -> None:
        """Tell where it really was, which the first answer did not know."""
        if not self.running:
            return
        node, start = data.draw(st.sampled_from(sorted(self.running)))
        place = self.running[node, start] | {"workload": "Pod/c"}
        self.running[node, start] = place
        judged = failing(start, *sorted(policies), **place)
        if ended:
            del self.running[node, start]
        self.failed(Late(judged=judged, ended=ended), judged, ended=ended, end=End.RESOLVED)

    @rule(data=st.data())
    def a_container_ends(self, data: st.DataObject) -> None:
        if self.running:
            node, start = data.draw(st.sampled_from(sorted(self.running)))
            del self.running[node, start]
            self.ended(Ended(node=node, start=start), [(node, start)], End.ENDED)
        self.ended(Ended(node=NODES[0], start="nobody"), [], End.ENDED)

    @rule(
        data=st.data(),
        node=st.sampled_from(NODES),
        epoch=st.sampled_from(["e", "e", "e", "f"]),
        newer=st.sampled_from([1, 1, 1, 2, 0, -1]),
    )
    def a_live_set(self, data: st.DataObject, node: str, epoch: str, newer: int) -> None:
        mine = sorted(place for place in self.running if place[0] == node)
        listed = data.draw(st.sets(st.sampled_from(mine))) if mine else set()
        known, last = self.facts.reports.get(node, ("", 0))
        report = last + newer
        happened = LiveSet(node=node, epoch=epoch, report=report, starts=frozenset(start for _, start in listed))
        if known == epoch and report <= last:
            self.tell(happened, [])
            return
        self.facts.reports[node] = (epoch, report)
        self.facts.silent.discard(node)
        for place in [place for place, keys in self.facts.alive.items() if place[0] == node and keys]:
            if place in listed:
                self.facts.missed[place] = 0
            else:
                self.facts.missed[place] = self.facts.missed[place] * (known == epoch) + 1
        gone = [place for place in mine if self.facts.missed[place] == 2]
        for place in gone:
            del self.running[place]
        self.ended(happened, gone, End.ENDED)

    @rule(node=st.sampled_from(NODES))
    def a_node_falls_silent(self, node: str) -> None:
        self.facts.silent.add(node)
        self.ended(NodeSilent(node=node), [], End.ENDED)

    @rule(node=st.sampled_from(NODES))
    def a_node_goes(self, node: str) -> None:
        self.facts.silent.discard(node)
        self.facts.reports.pop(node, None)
        gone = [place for place in self.running if place[0] == node]
        for place in gone:
            del self.running[place]
        self.ended(NodeGone(node=node), gone, End.ENDED)

    @rule(namespace=st.sampled_from(NAMESPACES))
    def a_namespace_goes(self, namespace: str) -> None:
        gone = [place for place, where in self.running.items() if where["namespace"] == namespace]
        for place in gone:
            del self.running[place]
        self.ended(NamespaceGone(namespace=namespace), gone, End.NAMESPACE_DELETED, deleted=namespace)

    @rule(
        data=st.data(),
        policies=st.sets(st.sampled_from(POLICIES)),
        waived=st.sets(st.sampled_from(POLICIES)),
    )
    def policies_change(self, data: st.DataObject, policies: set[str], waived: set[str]) -> None:
        """Judge again some of what lives: each fails by some of the policies in force, or that can't be told."""
        places = data.draw(st.permutations(sorted(self.running)))
        places = places[: data.draw(st.integers(0, len(places)))]
        batch, failed, ends = [], list[Key](), dict[Key, End]()
        for place in places:
            fails = data.draw(st.sets(st.sampled_from(sorted(policies)))) - waived if policies else set[str]()
            doubted = (data.draw(st.sets(st.sampled_from(sorted(policies)))) if policies else set()) - fails - waived
            batch.append(
                failing(
                    place[1],
                    *sorted(fails),
                    **self.running[place],
                    doubted=doubted,
                    waived=[(policy, "r", "e") for policy in sorted(waived)],
                )
            )
        for place, judged in sorted(zip(places, batch, strict=True), key=lambda pair: pair[0][1]):
            old = self.facts.alive.get(place, [])
            new = [key for key, _ in judged.failed]
            kept = [key for key in old if key not in new and (key.policy, "(match)") in judged.doubted]
            for key in old:
                if key not in new and key not in kept:
                    excepted = End.EXCEPTED if key.policy in waived else End.APPROVED
                    ends[key] = excepted if key.policy in policies else End.POLICY_GONE
            failed += [key for key in new if key not in old]
            self.set_alive(place, kept + new)
        happened = PolicySetChanged(judged=tuple(batch), policies=frozenset(policies))
        self.tell(happened, self.facts.settle(failed, ends))

    @rule()
    def the_book_is_stored_and_read(self) -> None:
        self.keeper.book = self.keeper.stored()

    # --- what must come of it

    def failed(self, happened: Input, judged: Judged, *, ended: bool, end: End | None = None) -> None:
        place = (judged.node, judged.start)
        old, new = self.facts.alive.get(place, []), [key for key, _ in judged.failed]
        ends = {key: end for key in old if end is not None and key not in new}
        self.set_alive(place, [] if ended else new)
        if ended:
            ends = dict.fromkeys([*old, *new], End.ENDED)
        self.tell(happened, self.facts.settle([key for key in new if key not in old], ends))

    def ended(self, happened: Input, gone: list[tuple[str, str]], end: End, deleted: str = "") -> None:
        ends = {key: end for place in gone for key in self.facts.alive.get(place, [])}
        for place in gone:
            self.set_alive(place, [])
        self.tell(happened, self.facts.settle([], ends, deleted))

    def set_alive(self, place: tuple[str, str], keys: list[Key]) -> None:
        if not self.facts.alive.get(place):
            self.facts.missed[place] = 0
        self.facts.alive[place] = keys

    def tell(self, happened: Input, expected: list[Told]) -> None:
        told = [(each.change, each.violation.key, each.violation.end) for each in self.keeper.tell(happened)]
        assert Counter(told) == Counter(expected)

    @invariant()
    def the_book_says_what_the_facts_say(self) -> None:
        found = {
            key: (each.state, each.containers)
            for key, each in self.keeper.book.violations.items()
            if each.state is not State.OVER
        }
        facts = self.facts
        expected = {
            key: (State.UNKNOWN if key in facts.unknown else State.OPEN, len(facts.nodes_of(key))) for key in facts.told
        }
        expected |= {key: (State.WAITING, len(facts.nodes_of(key))) for _, key in facts.waiting}
        expected |= {excess_of(namespace): (State.OPEN, 0) for namespace in facts.excess}
        assert found == expected
        assert {key: each.starts for key, each in self.keeper.book.violations.items() if key.policy} == facts.starts
        for namespace in facts.excess:
            assert self.keeper.book.violations[excess_of(namespace)].waiting == len(facts.waiting_in(namespace))

    @invariant()
    def what_is_quickly_found_follows_from_the_rows(self) -> None:
        book, stored = self.keeper.book, self.keeper.stored()
        assert (book.violations, book.members, book.nodes) == (stored.violations, stored.members, stored.nodes)
        assert (book.told, book.waiting, book.alive) == (stored.told, stored.waiting, stored.alive)
        assert set(book.over) == set(stored.over)


TestViolations = Violations.TestCase
TestViolations.settings = settings(max_examples=100, stateful_step_count=40)
