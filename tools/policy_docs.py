"""Writes docs/policy-fields.md from the models of policies: `python tools/policy_docs.py`, or `--check` to compare."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from model_fields import FieldText, fields
from rollcall.judge.verdict import Result
from rollcall.patterns import ANY_IMAGE
from rollcall.policy.model import (
    LIMITS,
    MOST_DIGESTS,
    MOST_RULES,
    TAG_MOVED,
    UNMATCHED,
    UNRESOLVED,
    ImageAdmissionException,
    ImageAdmissionPolicy,
)

PAGE = Path(__file__).parent.parent / "docs" / "policy-fields.md"

POLICY = """\
apiVersion: rollcall.dev/v1alpha1
kind: ImageAdmissionPolicy
metadata:
  name: shop
spec:
  description: What may run in the shop.
  severity: high
  match:
    namespaces:
      names: [shop, shop-*]
  rules:
    - name: ours
      effect: Allow
      images: [registry.example/shop/**]
    - name: base
      effect: Allow
      images: [nginx]
      digests:
        - sha256:6f3e9c1d6f3e9c1d6f3e9c1d6f3e9c1d6f3e9c1d6f3e9c1d6f3e9c1d6f3e9c1d
    - name: no-latest
      effect: Deny
      tags: [latest]
      reason: Nobody can say later what ran.
  limits:
    require: [memory]
    max: {memory: 4Gi}
  tags:
    tagMoved: Violation
"""

EXCEPTION = """\
apiVersion: rollcall.dev/v1alpha1
kind: ImageAdmissionException
metadata:
  name: old-cart
spec:
  policy: shop
  rules: [no-latest, (limits)]
  match:
    namespaces:
      names: [shop]
    containers: [cart]
  images: [registry.example/shop/cart]
  expires: 2027-01-31T00:00:00Z
  reason: The cart moves to the new release in January.
  requestedBy: the cart's team
  approvedBy: security
"""

_INTRODUCTION = f"""\
# The fields of policies and exceptions

<!-- Written by tools/policy_docs.py from core/src/rollcall/policy/model.py: edit that, then run it. -->

A file holds one or more of them, in YAML or JSON, parted by `---`. Unknown fields, fields that are there twice, lists
that are empty and texts that YAML reads as something else are errors. A policy has at most {MOST_RULES} rules and
{MOST_DIGESTS:,} digests.
"""

_PATTERNS = f"""\
## Patterns of images

A pattern is written as an image is, without tag and digest, and is normalised as one: `nginx`, `docker.io/nginx` and
`docker.io/library/nginx` are the same. It must match the whole name. Hosts are compared with their port, unless that is
443.

| pattern | matches | and not |
|---|---|---|
| `nginx` | `nginx:1.27`, `docker.io/library/nginx` | `bitnami/nginx` |
| `ghcr.io/acme/app` | `ghcr.io/acme/app:v1` | `ghcr.io/acme/app2`, `ghcr.io/acme/app/x` |
| `ghcr.io/acme/*` | `ghcr.io/acme/app` | `ghcr.io/acme/app/x`, `ghcr.io/acme-evil/app` |
| `ghcr.io/acme/**` | `ghcr.io/acme/app/x` | `ghcr.io/acme` |
| `ghcr.io/**/app` | `ghcr.io/app`, `ghcr.io/a/b/app` | `ghcr.io/a/app2` |
| `*.example.com/**` | `eu.example.com/app` | `example.com/app`, `example.com.evil.test/app` |
| `docker.io/*` | `nginx` | `bitnami/nginx` |
| `docker.io/**` | `nginx`, `bitnami/nginx` | `ghcr.io/nginx` |
| `{ANY_IMAGE}` | every image that has a name | an image asked for by its id |

Tags, and names of namespaces and containers, are compared with patterns in which `*` stands for any characters.
"""

_VERDICTS = {
    Result.VIOLATION: "A policy that is for the container refuses its image, or misses an approval.",
    Result.ERROR: "It can't be told: labels that a policy selects by, or limits that it judges, are unknown.",
    Result.ALLOWED: "A rule approves the image. `trust` says whether by `digest`, or by a `name` alone.",
    Result.UNMATCHED: "A policy is for the container, no rule speaks of the image, and none has to.",
    Result.SKIPPED: "No policy is for the container.",
}
_RESERVED = {
    UNMATCHED: "No Allow rule matches, in a policy that has one and does not say `unmatched: Allow`.",
    UNRESOLVED: "Neither a name nor a digest of the image is known.",
    LIMITS: "A limit is missing, too high, or unknown.",
    TAG_MOVED: "The tag led to another digest before, in a policy that says `tagMoved: Violation`.",
}


def page() -> str:
    """Return the whole page."""
    return "\n".join([
        _INTRODUCTION,
        "## ImageAdmissionPolicy",
        "",
        *_block(POLICY),
        *_table(ImageAdmissionPolicy),
        "## ImageAdmissionException",
        "",
        *_block(EXCEPTION),
        *_table(ImageAdmissionException),
        _PATTERNS,
        "## Verdicts, the worst first",
        "",
        "The worst of all policies' verdicts is the container's.",
        "",
        "| verdict | meaning |",
        "|---|---|",
        *(f"| `{result}` | {_VERDICTS[result]} |" for result in Result),
        "",
        "## What fails without a rule",
        "",
        "It has a name too, for exceptions and in violations.",
        "",
        "| name | meaning |",
        "|---|---|",
        *(f"| `{name}` | {meaning} |" for name, meaning in _RESERVED.items()),
        "",
    ])  # fmt: skip


def _block(text: str) -> list[str]:
    return ["```yaml", text.rstrip(), "```", ""]


def _table(model: type[msgspec.Struct]) -> list[str]:
    return ["| field | type | what it says | left out |", "|---|---|---|---|", *map(_row, fields(model)), ""]


def _row(field: FieldText) -> str:
    return f"| `{field.path}` | {field.kind} | {field.description} | {field.extra['otherwise']} |"


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` say whether it is as it would be written."""
    if arguments == ["--check"]:
        if PAGE.is_file() and PAGE.read_text() == page():
            return 0
        print(f"{PAGE} is not what the models say: run python tools/policy_docs.py", file=sys.stderr)
        return 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
