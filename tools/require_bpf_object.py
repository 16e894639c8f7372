"""A build hook: no wheel without the compiled kernel program, so that whoever installs one needs no clang."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OBJECT = "agent/src/rollcall_agent/collect/rollcall.bpf.o"


class RequireBpfObject(BuildHookInterface):  # type: ignore[type-arg]  # generic in its stub only
    """Stops a wheel's build where the object is missing; an editable install may come before `make bpf`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise FileNotFoundError where it is missing."""
        del build_data
        if version != "editable" and not (Path(self.root) / OBJECT).is_file():
            raise FileNotFoundError(f"{OBJECT} is missing and a wheel must have it: run `make bpf` (needs clang)")
