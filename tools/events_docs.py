"""Writes docs/events.md from the models of the record: `python tools/events_docs.py`, or `--check` to compare."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from model_fields import FieldText, fields
from rollcall.identity import identity
from rollcall.reasons import IMAGE_REASONS, REASONS, RESOLUTIONS
from rollcall.record import (
    Cgroup,
    Container,
    ContainerCreate,
    DigestKind,
    Ended,
    Image,
    ImageDigest,
    Limit,
    Node,
    Origin,
    Pod,
    Reference,
    Resolution,
    Resources,
    Runtime,
    Spool,
    TimeSource,
)
from rollcall_agent.sink.lines import Flat, flat

PAGE = Path(__file__).parent.parent / "docs" / "events.md"

_BOOT_ID = "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"
_CGROUP_ID = 7719
_POD_UID = "0c1d2e3f-4a5b-6c7d-8e9f-0a1b2c3d4e5f"
_ID = "4f1c7a52e9d04b6c8a3e5d7f90b1c2d3e4f5061728394a5b6c7d8e9fa0b1c2d3"
_INDEX = "sha256:" + "6f3e9c1d" * 8
_MANIFEST = "sha256:" + "a45b8e02" * 8
_CONFIG = "sha256:" + "1c0d7f3b" * 8

EXAMPLE = ContainerCreate(
    identity=identity(_BOOT_ID, _ID, _CGROUP_ID),
    container_id=_ID,
    runtime=Runtime(name="containerd", version="1.6.20"),
    ctime="2026-11-24T11:24:09.481207Z",
    ctime_source=TimeSource.KERNEL,
    image=Image(
        requested="registry.example/shop/cart:1.4",
        requested_source="cri.userSpecifiedImage",
        reference=Reference(registry="registry.example", repository="shop/cart", tag="1.4"),
        digests=(
            ImageDigest(
                digest=_INDEX,
                kind=DigestKind.INDEX,
                source="cri.imageStatus",
                repository="registry.example/shop/cart",
            ),
            ImageDigest(
                digest=_MANIFEST,
                kind=DigestKind.MANIFEST,
                source="containerd.content",
                repository="registry.example/shop/cart",
            ),
            ImageDigest(digest=_CONFIG, kind=DigestKind.CONFIG, source="cri.imageID"),
        ),
        id=_CONFIG,
        digest=_INDEX,
        short_digest=_INDEX.partition(":")[2][:12],
    ),
    container=Container(name="cart", attempt=0, labels={"io.kubernetes.container.name": "cart"}),
    pod=Pod(
        name="cart-7d9c5b6f4-x2x8p",
        namespace="shop",
        uid=_POD_UID,
        sandbox=False,
        sandbox_id="9b" * 32,
        labels={"app": "cart", "pod-template-hash": "7d9c5b6f4"},
    ),
    cgroup=Cgroup(
        id=_CGROUP_ID,
        path="/kubepods.slice/kubepods-burstable.slice/"
        f"kubepods-burstable-pod{_POD_UID.replace('-', '_')}.slice/cri-containerd-{_ID}.scope",
    ),
    node=Node(name="node-1", boot_id=_BOOT_ID),
    spool=Spool(epoch="k3v9q2", sequence=118),
    resources=Resources(memory=Limit(limit=268435456), cpu=Limit(unlimited=True), source="cri"),
    origin=Origin.KERNEL,
    resolution=Resolution.RESOLVED,
    ended=Ended(at="2026-11-24T12:02:44.006310Z", source=TimeSource.KERNEL),
)

_INTRODUCTION = """\
# The record of a start

<!-- Written by tools/events_docs.py from core/src/rollcall/record.py: edit that, then run it. -->

`rollcall watch` writes one record for each start of a container; piped, or with `--output json`, one JSON object a
line. What is absent is left out; no field is null. Text is what the runtime or the kernel gave, kept valid JSON: names,
labels and paths are chosen by workloads, so escape them before a person sees them.
"""

_VERDICT = """\
## The verdict

With `--policy` a line has one field more, `verdict`: `result` (`Violation`, `Error`, `Allowed`, `Unmatched` or
`Skipped`), `trust` (`name` or `digest`, of an approval), `deciding` and `failing` (what each policy and rule says, with
`policy`, `rule`, `result`, `cause`, `message`, `severity`, `mode`, `reason` and `link`), `waived` (the same, with the
exceptions in `waivedBy`), `notices`, `moved` (what the tag led to before) and `message`, all of it in one line for
people. What would be empty is left out. [policies.md](policies.md) says how it comes about. The flat form has no
verdict.
"""

_FLAT = """\
## The flat form

`--output flat` writes one JSON object a line with exactly the ten arguments of the `container_create` event, null for
what is unknown. The same start as above:
"""

_FLAT_FIELDS = {
    "runtime": "`runtime.name`",
    "container_id": "`containerID`",
    "ctime": "`ctime`, as ns since 1970",
    "container_image": "`image.requested`",
    "container_image_digest": "`image.digest`: the one repository digest resolved, else the config digest",
    "container_name": "`container.name`",
    "pod_name": "`pod.name`",
    "pod_namespace": "`pod.namespace`",
    "pod_uid": "`pod.uid`",
    "pod_sandbox": "`pod.sandbox`",
}
_FLAT_TYPES = {"ctime": "unsigned integer", "pod_sandbox": "boolean"}


def page() -> str:
    """Return the whole page."""
    example = msgspec.json.format(msgspec.json.encode(EXAMPLE), indent=2).decode()
    flat_line = msgspec.json.encode(flat(EXAMPLE)).decode()
    flat_rows = [
        f"| `{name}` | {_FLAT_TYPES.get(name, 'string')} | {_FLAT_FIELDS[name]} |" for name in Flat.__struct_fields__
    ]
    return "\n".join([
        _INTRODUCTION,
        "## Fields",
        "",
        "| field | type | unit | what it holds | source | absent |",
        "|---|---|---|---|---|---|",
        *map(_row, fields(ContainerCreate)),
        "",
        "## An example",
        "",
        "```json",
        example,
        "```",
        "",
        "## What `resolution` and `reason` say",
        "",
        "| `resolution` | meaning |",
        "|---|---|",
        *(f"| `{resolution}` | {RESOLUTIONS[resolution]} |" for resolution in Resolution),
        "",
        "| `reason` | meaning |",
        "|---|---|",
        *(f"| `{reason}` | {meaning} |" for reason, meaning in REASONS.items()),
        "",
        "| `image.reason` | meaning |",
        "|---|---|",
        *(f"| `{reason}` | {meaning} |" for reason, meaning in IMAGE_REASONS.items()),
        "",
        _VERDICT,
        "",
        _FLAT,
        "```json",
        flat_line,
        "```",
        "",
        "| argument | type | from |",
        "|---|---|---|",
        *flat_rows,
        "",
    ])  # fmt: skip


def _row(field: FieldText) -> str:
    """Return the line of a field."""
    extra = field.extra
    cells = (f"`{field.path}`", field.kind, extra["unit"] or "-", field.description, extra["source"], extra["absent"])
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` say whether it is as it would be written."""
    if arguments == ["--check"]:
        if PAGE.is_file() and PAGE.read_text() == page():
            return 0
        print(f"{PAGE} is not what the models say: run python tools/events_docs.py", file=sys.stderr)
        return 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
