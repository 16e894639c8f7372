"""Which kernel headers bcc can compile against.

The program uses no layout of any kernel struct, so that headers of another release serve where the running kernel has
none. bcc itself (KBuildHelper in src/cc/frontends/clang/kbuild_helper.cc) looks only for those of the running one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from rollcall_agent.collect.problem import CollectorProblem
from rollcall_agent.collect.refusal import kernel_release

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULES: Final = Path("/lib/modules")
KHEADERS: Final = Path("/sys/kernel/kheaders.tar.xz")
SOURCE_VARIABLE: Final = "BCC_KERNEL_SOURCE"


class Headers(Struct, frozen=True, kw_only=True):
    """Where the headers are. `source` and `build` are set only where bcc has to be told."""

    description: str
    source: Path | None = None
    build: Path | None = None

    def flags(self) -> list[str]:
        """Compiler flags for what distributions keep apart from the sources: generated files."""
        if self.build is None:
            return []
        generated = sorted(self.build.glob("arch/*/include/generated"))
        folders = [self.build / "include", self.build / "include/generated/uapi"]
        folders += [found for path in generated for found in (path, path / "uapi")]
        return [f"-I{folder}" for folder in folders]


def find_headers(
    release: str, environ: Mapping[str, str], *, modules: Path = MODULES, kheaders: Path = KHEADERS
) -> Headers:
    """Find headers for a kernel `release`: those that bcc finds by itself, else the newest of another release.

    Raises:
        CollectorProblem: there are none; it names the places that were looked at.
    """
    if named := environ.get(SOURCE_VARIABLE):
        if not (Path(named) / "include/linux/kconfig.h").is_file():
            raise CollectorProblem(
                f"{SOURCE_VARIABLE} is {named}, and there are no kernel headers: include/linux/kconfig.h is missing.",
                "Let it name a kernel source tree that was built, or unset it.",
            )
        return Headers(description=f"{named} ({SOURCE_VARIABLE})")
    own = modules / release / "build"
    if own.is_dir():
        return Headers(description=str(own))
    if kheaders.is_file():
        return Headers(description=str(kheaders))
    others = [path for path in modules.glob("*/build") if path.is_dir()]
    if others:
        build = max(others, key=lambda path: (kernel_release(path.parent.name), path.parent.name))
        source = build.with_name("source")
        return Headers(
            description=f"{build} (another release's)", source=source if source.is_dir() else build, build=build
        )
    raise CollectorProblem(
        f"There are no kernel headers: looked at {own}, {kheaders}, {modules}/*/build; {SOURCE_VARIABLE} is not set.",
        "Install linux-headers-amd64 or the like (Debian), kernel-devel (Fedora), or use `--collector core`.",
    )
