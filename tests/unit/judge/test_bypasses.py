"""Ways in which other tools were bypassed, each as a record that comes in and a verdict that must come out."""

from __future__ import annotations

from typing import Any

import pytest

from lab.policies import NOW, A, B, C, allow, deny, exception, policy
from rollcall.judge import PolicySet, Result, Trust, Verdict, judge
from rollcall.observation import observe
from rollcall.patterns import InvalidPatternError, image_pattern
from rollcall.policy import ImageAdmissionException, ImageAdmissionPolicy
from rollcall.record import Container, ContainerCreate, DigestKind, Image, ImageDigest, Node, Pod, Resolution
from rollcall.references import InvalidReferenceError, parse

CONFIG = "sha256:" + "f" * 64
INDEX, MANIFEST = A, B
V, ALLOWED, U = Result.VIOLATION, Result.ALLOWED, Result.UNMATCHED


def digest(value: str, repository: str | None, kind: DigestKind = DigestKind.REPOSITORY) -> ImageDigest:
    return ImageDigest(digest=value, kind=kind, source="cri.imageStatus", repository=repository)


def start(requested: str | None, *digests: ImageDigest, **fields: Any) -> ContainerCreate:
    """Make the record of a container in a pod, as the agent does."""
    try:
        reference = parse(requested) if requested is not None else None
    except InvalidReferenceError:
        reference = None
    defaults: dict[str, Any] = {
        "identity": "i",
        "container_id": "c" * 64,
        "image": Image(requested=requested, reference=reference, digests=digests),
        "container": Container(name="app"),
        "pod": Pod(name="pod", namespace="shop", uid="u", sandbox=False),
        "node": Node(name="n", boot_id="b"),
        "resolution": Resolution.RESOLVED,
    }
    return ContainerCreate(**(defaults | fields))


def verdict(
    record: ContainerCreate, *policies: ImageAdmissionPolicy, waived: tuple[ImageAdmissionException, ...] = ()
) -> Verdict:
    return judge(observe(record), PolicySet(policies, waived), None, NOW)


def result(image: str, *rules: dict[str, Any]) -> Result:
    return verdict(start(image), policy(*rules)).result


@pytest.mark.parametrize("pattern", ["gcr.io/acme", "gcr.io/acme/*", "gcr.io/acme/**"])
def test_a_prefix_without_a_slash_approves_no_repository_that_looks_alike(pattern: str) -> None:
    for image in ("gcr.io/acme-evil/app", "gcr.io/acmeevil", "gcr.io/acme.evil/app", "gcr.io.evil.test/acme/app"):
        assert result(image, allow(images=[pattern])) is V


def test_a_wildcard_for_a_host_is_anchored() -> None:
    rule = allow(images=["*.trusted.example/org/*"])
    assert result("eu.trusted.example/org/img", rule) is ALLOWED
    for image in (
        "evil/x.trusted.example/org/img",
        "evil.test/x.trusted.example/org/img",
        "trusted.example/org/img",
        "eviltrusted.example/org/img",
        "x.trusted.example.evil.test/org/img",
    ):
        assert result(image, rule) is V


@pytest.mark.parametrize("text", ["gcr.io/acme/app:v1", f"gcr.io/acme/app@{A}", "gcr.io/acme/app:*"])
def test_a_tag_or_digest_in_a_pattern_is_refused_and_not_ignored(text: str) -> None:
    with pytest.raises(InvalidPatternError):
        image_pattern(text)


def test_a_star_does_not_eat_the_tag() -> None:
    rule = allow(images=["gcr.io/acme/foo*"], tags=["1"])
    assert result("gcr.io/acme/foobar:1", rule) is ALLOWED
    assert result("gcr.io/acme/foobar:evil", rule) is V


def test_nothing_is_remembered_by_tag() -> None:
    policies = PolicySet([policy(allow(images=["gcr.io/acme/app"], digests=[A]))])
    approved, moved = (start("gcr.io/acme/app:1", digest(each, "gcr.io/acme/app")) for each in (A, B))
    for record, expected in [(approved, ALLOWED), (moved, V), (approved, ALLOWED)]:
        assert judge(observe(record), policies, None, NOW).result is expected


def test_two_exceptions_are_never_merged() -> None:
    refused = policy(deny("no-latest", tags=["latest"]), allow(images=["gcr.io/**"]))
    record = start("gcr.io/acme/app:latest")
    rule_elsewhere = exception("no-latest", name="a", match={"namespaces": {"names": ["other"]}})
    other_rule_here = exception("(limits)", name="b", match={"namespaces": {"names": ["shop"]}})
    image_elsewhere = exception("no-latest", name="c", images=["gcr.io/acme/*"], match={"containers": ["other"]})
    assert verdict(record, refused, waived=(rule_elsewhere, other_rule_here, image_elsewhere)).result is V
    assert verdict(record, refused, waived=(rule_elsewhere, exception("no-latest", name="d"))).result is ALLOWED


def test_latest_with_a_digest_is_still_latest() -> None:
    rule = deny("no-latest", tags=["latest"])
    record = start(f"gcr.io/acme/app:latest@{A}", digest(A, "gcr.io/acme/app"))
    assert verdict(record, policy(rule)).result is V
    assert result("gcr.io/acme/app", rule) is V
    assert result(f"gcr.io/acme/app@{A}", rule) is U


@pytest.mark.parametrize("container", ["app", "init-db", "debugger-x7k2p"])
def test_every_container_of_a_pod_is_judged_whatever_it_is_for(container: str) -> None:
    record = start("evil.test/x", container=Container(name=container))
    assert verdict(record, policy(allow(images=["gcr.io/**"]))).result is V


@pytest.mark.parametrize("approved", [INDEX, MANIFEST], ids=["index", "manifest"])
def test_an_index_and_its_manifest_are_one_image(approved: str) -> None:
    own = "gcr.io/acme/app"
    record = start(
        f"{own}:1",
        digest(INDEX, own, DigestKind.INDEX),
        digest(MANIFEST, own, DigestKind.MANIFEST),
        digest(CONFIG, None, DigestKind.CONFIG),
    )
    found = verdict(record, policy(allow(images=[own], digests=[approved])))
    assert (found.result, found.trust) == (ALLOWED, Trust.DIGEST)
    assert verdict(record, policy(allow(images=[own], digests=[C]))).result is V


@pytest.mark.parametrize("image", ["nginx", "docker.io/nginx", "docker.io/library/nginx", "index.docker.io/nginx"])
@pytest.mark.parametrize("pattern", ["nginx", "docker.io/nginx", "docker.io/library/nginx", "DOCKER.io/library/ngin*"])
def test_docker_hubs_three_ways_are_one(image: str, pattern: str) -> None:
    assert result(image, allow(images=[pattern])) is ALLOWED
    assert result(image, deny(images=[pattern])) is V


def test_an_upper_case_host_is_the_same_host() -> None:
    assert result("GCR.IO/acme/app", deny(images=["gcr.io/**"])) is V
    assert result("gcr.io:443/acme/app", deny(images=["Gcr.io/**"])) is V


@pytest.mark.parametrize(
    "image", ["gcr.io/acme/app\n", "gcr.io/acmé/app", f"gcr.io/acme/app@{A.upper()}", "gcr.io//app"]
)
def test_what_is_no_reference_has_no_name_to_be_approved_by(image: str) -> None:
    found = verdict(start(image), policy(allow(images=["*/**"])))
    assert [ruling.rule for ruling in found.failing] == ["(unresolved)"]


def test_no_image_at_all_is_no_pass() -> None:
    found = verdict(start(None), policy(allow(images=["*/**"])))
    assert [ruling.rule for ruling in found.failing] == ["(unresolved)"]


@pytest.mark.parametrize("image", [CONFIG, CONFIG.removeprefix("sha256:")])
def test_a_bare_id_is_no_repository_on_docker_hub(image: str) -> None:
    record = start(image, digest(CONFIG, None, DigestKind.CONFIG), digest(A, "gcr.io/acme/app"))
    for rule in (
        allow(images=["docker.io/**"]),
        allow(images=["docker.io/library/sha256"]),
        allow(images=["*/**"]),
        allow(images=["gcr.io/acme/app"], digests=[A]),
        allow(digests=[A]),
    ):
        assert verdict(record, policy(rule)).result is V
    assert verdict(record, policy(allow(digests=[CONFIG]))).trust is Trust.DIGEST


def test_an_image_tagged_again_by_another_pull_is_not_approved_by_its_other_name() -> None:
    record = start("evil.test/x:1", digest(A, "evil.test/x"), digest(B, "gcr.io/acme/app"))
    assert verdict(record, policy(allow(images=["gcr.io/acme/app"]))).result is V
    assert verdict(record, policy(allow(images=["gcr.io/acme/app"], digests=[B]))).result is V
    assert verdict(record, policy(allow(digests=[B]))).result is V


def test_an_approved_image_is_not_refused_for_a_name_that_another_pull_gave_it() -> None:
    record = start("gcr.io/acme/app:1", digest(A, "gcr.io/acme/app"), digest(B, "evil.test/x"))
    found = verdict(record, policy(allow(images=["gcr.io/acme/app"]), deny("evil", images=["evil.test/**"])))
    assert found.result is ALLOWED
    assert len(found.notices) == 1


def test_an_import_without_a_repository_digest_is_approved_by_its_claimed_name_alone() -> None:
    record = start("gcr.io/acme/app:1", digest(CONFIG, None, DigestKind.CONFIG))
    by_name = verdict(record, policy(allow(images=["gcr.io/acme/app"])))
    assert (by_name.result, by_name.trust) == (ALLOWED, Trust.NAME)
    assert verdict(record, policy(allow(images=["gcr.io/acme/app"], digests=[A]))).result is V
    assert verdict(record, policy(allow(images=["gcr.io/acme/app"], digests=[CONFIG]))).trust is Trust.DIGEST


def test_the_digest_that_was_asked_for_is_not_what_runs() -> None:
    record = start(f"gcr.io/acme/app@{A}", digest(B, "gcr.io/acme/app"))
    assert verdict(record, policy(allow(images=["gcr.io/acme/app"], digests=[A]))).result is V


def test_a_digest_that_leads_to_another_image_than_the_one_that_runs_approves_nothing() -> None:
    digests = (digest(A, "gcr.io/acme/app", DigestKind.MANIFEST), digest(CONFIG, None, DigestKind.CONFIG))
    image = Image(
        requested="gcr.io/acme/app:1", reference=parse("gcr.io/acme/app:1"), digests=digests, reason="ConfigMismatch"
    )
    record = start(None, image=image)
    assert verdict(record, policy(allow(images=["gcr.io/acme/app"], digests=[A]))).result is V


def test_a_name_that_is_only_claimed_escapes_no_policy() -> None:
    claim = Pod(name="p", namespace="exempt", labels={"app": "exempt"}, sandbox=False)
    record = start("evil.test/x", pod=claim, resolution=Resolution.PARTIAL, reason="NotInCRI")
    rule = allow(images=["gcr.io/**"])
    for match in ({"namespaces": {"names": ["shop"]}}, {"pods": {"matchLabels": {"app": "cart"}}}):
        assert verdict(record, policy(rule, match=match)).result is Result.ERROR
