"""Makes policies, exceptions and observations for tests, saying only what a test is about."""

from __future__ import annotations

from typing import Any

import msgspec

from rollcall.observation import Observation
from rollcall.policy import ImageAdmissionException, ImageAdmissionPolicy, check_exception, check_policy
from rollcall.record import DigestKind, ImageDigest, Limit, Resources
from rollcall.references import InvalidReferenceError, parse

NOW = 1_795_000_000 * 10**9
"""A time in November 2026, ns since 1970."""

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64
C = "sha256:" + "c" * 64
CONFIG = "sha256:" + "f" * 64
EVERYWHERE = {"namespaces": {"names": ["*"]}, "outsideKubernetes": True}


def allow(name: str = "approved", **fields: Any) -> dict[str, Any]:
    return {"name": name, "effect": "Allow", **fields}


def deny(name: str = "refused", **fields: Any) -> dict[str, Any]:
    return {"name": name, "effect": "Deny", **fields}


def policy(*rules: dict[str, Any], name: str = "p", **spec: Any) -> ImageAdmissionPolicy:
    """Make a policy of rules, and fields of its spec in camelCase; it must be right."""
    written = {
        "apiVersion": "rollcall.dev/v1alpha1",
        "kind": "ImageAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"rules": rules, **spec},
    }
    made = msgspec.convert(written, ImageAdmissionPolicy)
    assert check_policy(made) == []
    return made


def exception(*rules: str, name: str = "e", policy: str = "p", **spec: Any) -> ImageAdmissionException:
    """Make an exception of rules; it must be right."""
    fields = {
        "policy": policy,
        "rules": rules,
        "expires": "2027-01-31T00:00:00Z",
        "reason": "a test",
        "requestedBy": "one",
        "approvedBy": "another",
        **spec,
    }
    written = {
        "apiVersion": "rollcall.dev/v1alpha1",
        "kind": "ImageAdmissionException",
        "metadata": {"name": name},
        "spec": fields,
    }
    made = msgspec.convert(written, ImageAdmissionException)
    assert check_exception(made) == []
    return made


def reported(digest: str, repository: str | None, kind: DigestKind = DigestKind.MANIFEST) -> ImageDigest:
    return ImageDigest(digest=digest, kind=kind, source="test", repository=repository)


def seen(
    image: str | None = "ghcr.io/acme/app:1",
    *digests: ImageDigest | str,
    memory: int | bool | None = None,
    cpu: int | bool | None = None,
    **fields: Any,
) -> Observation:
    """Make an observation. A digest as text is one of the image's own repository; a limit False is unlimited."""
    try:
        reference = parse(image) if image is not None else None
    except InvalidReferenceError:
        reference = None
    own = reference.name if reference is not None else None
    known = (reported(each, own) if isinstance(each, str) else each for each in digests)
    defaults: dict[str, Any] = {
        "identity": "i",
        "container_id": "c",
        "outside": False,
        "namespace": "shop",
        "pod_name": "cart-1",
        "pod_labels": {"app": "cart"},
        "node": "node-1",
        "sandbox": False,
        "container": "cart",
        "requested": image,
        "reference": reference,
        "digests": frozenset(known),
        "resources": Resources(memory=_limit(memory), cpu=_limit(cpu)),
    }
    if fields.get("outside"):
        defaults |= {"namespace": None, "pod_name": None, "pod_labels": None}
    return Observation(**(defaults | fields))


def _limit(value: int | bool | None) -> Limit:  # noqa: FBT001 - False is unlimited
    if value is None:
        return Limit()
    return Limit(unlimited=True) if value is False else Limit(limit=int(value))
