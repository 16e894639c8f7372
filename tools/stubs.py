"""Generate the protobuf stubs, or with `--check` say whether the committed ones are current."""

from __future__ import annotations

import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
WELL_KNOWN = files("grpc_tools") / "_proto"
DEFINITIONS = {
    "agent/src": ("rollcall_agent/enrich/proto/cri.proto", "rollcall_agent/enrich/proto/containerd.proto"),
    "tests/lab": ("lab_cri.proto",),
}
"""Files, by the folder that their imports and their stubs are relative to."""


def generate(out: Path) -> None:
    """Write the stubs below `out`, laid out as in the repository. Raises RuntimeError where protoc refuses."""
    for folder, names in DEFINITIONS.items():
        to = out / folder
        to.mkdir(parents=True, exist_ok=True)
        paths = f"-I{ROOT / folder}", f"-I{WELL_KNOWN}", f"--python_out={to}", f"--pyi_out={to}"
        if protoc.main(["protoc", *paths, *names]) != 0:
            raise RuntimeError("protoc refused the definitions; its own message is above")


def stale() -> list[str]:
    """Return the committed stubs that differ from what the definitions give now."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = [path.relative_to(folder) for path in Path(folder).rglob("*_pb2.py*")]
        return [str(path) for path in sorted(fresh) if not _same(ROOT / path, folder / path)]


def _same(committed: Path, fresh: Path) -> bool:
    return committed.is_file() and committed.read_bytes() == fresh.read_bytes()


def main() -> int:
    """Run the command line. Returns its exit status."""
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
        return 0
    if names := stale():
        print(f"stale stubs: {', '.join(names)}; run `make proto` and commit them", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
