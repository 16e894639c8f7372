"""Files of policies: what is read, and that every mistake is told with its line, its field and a remedy."""

from __future__ import annotations

import textwrap

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lab.policies import NOW, A, allow, exception, policy
from rollcall.policy import ImageAdmissionPolicy, warnings
from rollcall.policy.model import Amounts, Limits, Match, Mode, ResourceName, Severity, TagMoved
from rollcall.policy.read import LARGEST, read, read_all

HEAD = "apiVersion: rollcall.dev/v1alpha1\nkind: ImageAdmissionPolicy\nmetadata: {name: p}\n"
EXCEPTION = textwrap.dedent("""\
    apiVersion: rollcall.dev/v1alpha1
    kind: ImageAdmissionException
    metadata:
      name: e
    spec:
      policy: p
      rules: [(unmatched), a]
      images: [nginx]
      expires: 2027-01-31T00:00:00Z
      reason: r
      requestedBy: one
      approvedBy: another
""")
WHOLE = textwrap.dedent("""\
    # A comment.
    apiVersion: rollcall.dev/v1alpha1
    kind: ImageAdmissionPolicy
    metadata:
      name: whole
      labels: {team: a}
      uid: what Kubernetes adds
      generation: 3
    spec:
      description: |
        Two lines,
        this is one.
      severity: critical
      mode: Audit
      match:
        namespaces:
          names: [prod-*]
          matchLabels: {team: a}
        pods:
          matchExpressions:
            - {key: app, operator: NotIn, values: [x, y]}
        nodes: {}
        containers: [app, "*-sidecar"]
        outsideKubernetes: true
        sandboxes: False
      rules:
        - name: acme
          effect: Allow
          images: &repositories
            - ghcr.io/acme/**
            - "*.example.com/**"
          reason: ours
          link: https://wiki.example/acme
        - name: pinned
          effect: Deny
          images: *repositories
          tags: ["1.10", latest]
          digests:
            - sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      unmatched: Allow
      unresolved: Error
      limits:
        require: [memory]
        max: {memory: 1Gi, cpu: 2}
      tags: {tagMoved: Violation}
    status: {what: the operator wrote}
""")


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read(text, "f.yaml").problems]


def spec(text: str) -> str:
    return HEAD + "spec:\n" + textwrap.indent(textwrap.dedent(text), "  ")


def test_a_whole_policy_is_read() -> None:
    loaded = read(WHOLE, "f.yaml")
    assert loaded.problems == []
    (made,) = loaded.policies
    assert (made.name, made.metadata.generation) == ("whole", 3)
    assert (made.spec.severity, made.spec.mode) == (Severity.CRITICAL, Mode.AUDIT)
    assert made.spec.match.outside_kubernetes
    assert made.spec.match.namespaces is not None
    assert made.spec.match.namespaces.names == ("prod-*",)
    assert made.spec.rules[1].images == made.spec.rules[0].images == ("ghcr.io/acme/**", "*.example.com/**")
    assert made.spec.rules[1].tags == ("1.10", "latest")
    assert made.spec.limits == Limits(require=(ResourceName.MEMORY,), max=Amounts(memory="1Gi", cpu="2"))
    assert made.spec.tags.tag_moved is TagMoved.VIOLATION
    assert made.spec.description == "Two lines,\nthis is one.\n"


def test_what_is_left_out_has_its_default() -> None:
    (made,) = read(HEAD + "spec: {}\n", "f.yaml").policies
    assert made == policy()
    assert made.spec.match == Match()


def test_several_documents_and_files_are_read() -> None:
    loaded = read_all({"b.yaml": f"---\n{EXCEPTION}---\n---\n", "a.yaml": f"{WHOLE}---\n{HEAD}spec: {{}}\n"})
    assert loaded.problems == []
    assert [made.name for made in loaded.policies] == ["whole", "p"]
    assert [made.name for made in loaded.exceptions] == ["e"]


def test_json_is_yaml() -> None:
    text = msgspec.json.encode(policy(allow(images=["nginx"]), limits={"max": {"cpu": 0.5}})).decode()
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        ("severty: high", 5, "spec.severty", "did you mean `severity`"),
        ("wholly: different", 5, "spec.wholly", "there are description, severity"),
        ("severity: High", 5, "spec.severity", "write low or medium or high or critical, not 'High'"),
        ("severity: [high]", 5, "spec.severity", "not a list"),
        ("match: all", 5, "spec.match", "write fields below it"),
        ("match:\n  outsideKubernetes: yes", 6, "spec.match.outsideKubernetes", "write true or false, not 'yes'"),
        ("match:\n  outsideKubernetes: 'true'", 6, "spec.match.outsideKubernetes", "write true or false"),
        ("match: {namespaces: [prod]}", 5, "spec.match.namespaces", "write fields below it"),
        ("match: {namespaces: {names: [a/b]}}", 5, "spec.match.namespaces.names[0]", "position 1"),
        ("match:\n  containers:\n  - a\n  - 'b c'", 8, "spec.match.containers[1]", "position 1"),
        ("match: {pods: {matchLabels: {a: 1}}}", 5, "spec.match.pods.matchLabels.a", "put it in quotes, '1'"),
        ("match: {pods: {matchLabels: {a: -}}}", 5, "spec.match.pods.matchLabels.a", "no value of a label"),
        ("match: {nodes: {matchExpressions: [{key: a, operator: in}]}}", 5,
         "spec.match.nodes.matchExpressions[0].operator", "write In or NotIn or Exists or DoesNotExist"),
        ("match: {nodes: {matchExpressions: [{key: a, operator: In}]}}", 5,
         "spec.match.nodes.matchExpressions[0].values", "needs a list"),
        ("rules: {name: a}", 5, "spec.rules", "write a list"),
        ("rules:\n- name: a", 6, "spec.rules[0].effect", "it is missing: write it (Allow or Deny)"),
        ("rules:\n- effect: Deny", 6, "spec.rules[0].name", "it is missing"),
        ("rules:\n- {name: a, effect: Allow}", 6, "spec.rules[0]", "it approves everything"),
        ("rules:\n- {name: A b, effect: Deny}", 6, "spec.rules[0].name", "no name of a rule"),
        ("rules:\n- {name: (limits), effect: Deny}", 6, "spec.rules[0].name", "no name of a rule"),
        ("rules:\n- {name: a, effect: Deny}\n- name: b\n  effect: Deny\n- effect: Deny\n  name: a", 10,
         "spec.rules[2].name", "rule 0 has the name 'a' too"),
        ("rules:\n- name: a\n  effect: Allow\n  images:\n  - nginx\n  - ghcr.io/Acme", 10,
         "spec.rules[0].images[1]", "position 8"),
        ("rules:\n- {name: a, effect: Deny, images: ['nginx:1']}", 6, "spec.rules[0].images[0]", "`tags`"),
        ("rules:\n- {name: a, effect: Deny, images: []}", 6, "spec.rules[0].images", "an empty list"),
        ("rules:\n- {name: a, effect: Deny, images: nginx}", 6, "spec.rules[0].images", "write a list"),
        ("rules:\n- {name: a, effect: Deny, tags: [1.10]}", 6, "spec.rules[0].tags[0]", "'1.10': else it is read"),
        ("rules:\n- {name: a, effect: Deny, tags: [no]}", 6, "spec.rules[0].tags[0]", "read as bool"),
        ("rules:\n- {name: a, effect: Deny, tags: [~]}", 6, "spec.rules[0].tags[0]", "write a text, not nothing"),
        ("rules:\n- {name: a, effect: Deny, tags: ['a:b']}", 6, "spec.rules[0].tags[0]", "position 1"),
        ("rules:\n- {name: a, effect: Deny, digests: ['sha256:AB']}", 6, "spec.rules[0].digests[0]", "lower case"),
        ("limits: {require: [disk]}", 5, "spec.limits.require[0]", "write memory or cpu"),
        ("limits: {max: {memory: 1GB}}", 5, "spec.limits.max.memory", "expected bytes, as 512Mi"),
        ("limits: {max: {cpu: true}}", 5, "spec.limits.max.cpu", "write an amount"),
        ("severity: low\nseverity: high", 6, "spec.severity", "it is there twice, first in line 5"),
        ("[a]: b", 4, "spec", "write names before the colons"),
        ("<<: {severity: low}", 5, "spec.<<", "no such field"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_line_its_field_and_a_remedy(text: str, line: int, field: str, says: str) -> None:
    found = problems(spec(text))
    assert any(each.startswith(f"f.yaml:{line}: {field}: ") and says in each for each in found), found
    assert read(spec(text), "f.yaml").policies == []


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    found = problems(spec("severity: High\nmode: Loud\nrules: 1") + f"\n---\n{EXCEPTION.replace('2027', 'soon')}")
    assert [each.split(": ")[1] for each in found] == ["spec.severity", "spec.mode", "spec.rules", "spec.expires"]


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("2027-01-31T00:00:00Z", "2027-01-31T00:00:00", "spec.expires", "with its zone"),
        ("2027-01-31T00:00:00Z", "2027-01-31", "spec.expires", "with its zone"),
        ("2027-01-31T00:00:00Z", "2027-02-31T00:00:00Z", "spec.expires", "with its zone"),
        ("  expires: 2027-01-31T00:00:00Z\n", "", "spec.expires", "missing"),
        ("  approvedBy: another\n", "", "spec.approvedBy", "missing"),
        ("requestedBy: one", "requestedBy: ''", "spec.requestedBy", "must be given"),
        ("[(unmatched), a]", "[(match)]", "spec.rules[0]", "(unmatched), (unresolved), (limits), (tag-moved)"),
        ("[(unmatched), a]", "[]", "spec.rules", "at least one rule"),
        ("[nginx]", "['nginx:1']", "spec.images[0]", "position 5"),
        ("name: e", "name: E_e", "metadata.name", "no name"),
        ("v1alpha1", "v1", "apiVersion", "write rollcall.dev/v1alpha1"),
    ],
)
def test_a_mistake_in_an_exception(old: str, new: str, field: str, says: str) -> None:
    (found,) = problems(EXCEPTION.replace(old, new))
    assert f": {field}: " in found
    assert says in found


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "no policy and no exception"),
        ("# nothing\n---\n", 1, "no policy and no exception"),
        ("- a\n", 1, "write ImageAdmissionPolicy or ImageAdmissionException, not nothing"),
        ("kind: Pod\n", 1, "not 'Pod'"),
        ("a: b\nc: d: e\n", 2, "can't be read as YAML"),
        ("a:\n\tb: c\n", 2, "can't be read as YAML"),
        ("kind: *unknown\n", 1, "can't be read as YAML"),
        ("a: \x00\n", 1, "can't be read as YAML"),
        ("\ud800", 1, "UTF-8"),
        ("a\n" * LARGEST, 1, "a file has at most"),
    ],
)
def test_what_is_no_policy_at_all(text: str, line: int, says: str) -> None:
    (found,) = problems(text)
    assert found.startswith(f"f.yaml:{line}: ")
    assert says in found


def test_a_broken_document_leaves_the_others() -> None:
    loaded = read(f"{HEAD}spec: {{}}\n---\nkind: Pod\n---\n{EXCEPTION}", "f.yaml")
    assert (len(loaded.policies), len(loaded.exceptions), len(loaded.problems)) == (1, 1, 1)
    assert loaded.problems[0].line == 6


def test_a_name_that_is_there_twice_counts_where_it_is_first() -> None:
    twice = read_all({"b.yaml": f"{HEAD}spec: {{severity: low}}\n", "a.yaml": f"{HEAD}spec: {{severity: high}}\n"})
    assert [made.spec.severity for made in twice.policies] == [Severity.HIGH]
    assert [str(each) for each in twice.problems] == [
        "b.yaml:1: metadata.name: 'p' is there too, in a.yaml:1: write another name"
    ]


def test_aliases_of_aliases_are_refused_before_they_grow() -> None:
    rule = "&r {name: a, effect: Deny, images: [" + "nginx, " * 500 + "]}"
    (found,) = problems(f"{HEAD}spec: {{rules: [{rule}{', *r' * 60}]}}\n")
    assert "no policy is that large" in found
    layers = "".join(f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]\n" for at in range(1, 12))
    assert problems(f"{HEAD}a0: &a0 [x]\n{layers}spec: {{rules: *a11}}\n")


@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000])
def test_what_is_nested_deeply_is_refused(text: str) -> None:
    (found,) = problems(text)
    assert "nested" in found


def test_an_alias_of_itself_ends() -> None:
    assert problems(f"{HEAD}spec: &s {{rules: [*s], match: *s}}\n")


def test_a_tag_makes_no_object() -> None:
    assert problems("!!python/object/apply:os.system ['true']")
    assert problems(spec("severity: !!python/name:os.system high"))
    assert problems(spec("description: !!binary aGk="))


def test_the_caps() -> None:
    def written(digests: int, *more: dict[str, object]) -> str:
        rules = [allow(f"r{at}", digests=[A] * (31 if at else digests)) for at in range(64)]
        whole = msgspec.to_builtins(policy())
        return yaml.safe_dump({**whole, "spec": {"rules": [*rules, *more]}})

    assert problems(written(47)) == []
    assert problems(written(48)) == ["f.yaml:6: spec.rules: 2001 digests: a policy has at most 2000"]
    assert problems(written(31, {"name": "one-more", "effect": "Deny"})) == [
        "f.yaml:6: spec.rules: 65 rules: a policy has at most 64"
    ]


def test_hostile_text_is_shown_harmless_and_short() -> None:
    for text in ("\x1b[31m", "\u202e" * 5000):
        for problem in problems(spec(f"severity: {text!r}\n'{text}': 1".replace("'", '"'))):
            assert problem.isprintable()
            assert len(problem) < 500


@given(st.text())
def test_any_text_is_read_or_has_a_problem(text: str) -> None:
    assert problems(text)


def test_what_is_to_be_told_of_exceptions() -> None:
    expired = exception("(unmatched)", name="expired", expires="2026-11-01T00:00:00+01:00")
    long = exception("(unmatched)", name="long", expires="2028-11-01T00:00:00Z")
    lost = exception("(unmatched)", name="lost", policy="gone")
    mistaken = exception("a", "b", name="mistaken")
    right = exception("a", name="right")
    told = [
        (made.name, problem.path[1], problem.message)
        for made, problem in warnings([policy(allow("a", images=["x"]))], [expired, long, lost, mistaken, right], NOW)
    ]
    assert told == [
        ("expired", "expires", "it expired at 2026-11-01T00:00:00+01:00 and waives nothing"),
        ("long", "expires", "it ends over a year ahead, at 2028-11-01T00:00:00Z"),
        ("lost", "policy", "there is no policy 'gone': it waives nothing"),
        ("mistaken", "rules", "policy 'p' has no rule 'b'"),
    ]


def test_a_policy_from_an_api_is_the_same_as_one_from_a_file() -> None:
    (made,) = read(WHOLE, "f.yaml").policies
    assert msgspec.convert(msgspec.to_builtins(made), ImageAdmissionPolicy) == made
