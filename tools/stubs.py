"""Generate the protobuf stubs of the enrichment, or with `--check` say whether the committed ones are current."""

from __future__ import annotations

import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

SOURCE = Path(__file__).resolve().parent.parent / "agent" / "src"
PROTO = Path("rollcall_agent") / "enrich" / "proto"
STUBS = ("cri_pb2.py", "cri_pb2.pyi", "containerd_pb2.py", "containerd_pb2.pyi")


def generate(out: Path) -> None:
    """Write the stubs below `out`, laid out as in the source tree. Raises RuntimeError where protoc refuses."""
    well_known = files("grpc_tools") / "_proto"
    definitions = [str(PROTO / name) for name in ("cri.proto", "containerd.proto")]
    arguments = ["protoc", f"-I{SOURCE}", f"-I{well_known}", f"--python_out={out}", f"--pyi_out={out}", *definitions]
    if protoc.main(arguments) != 0:
        message = "protoc refused the definitions; its own message is above"
        raise RuntimeError(message)


def stale() -> list[str]:
    """Return the names of the committed stubs that differ from what the definitions give now."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        return [name for name in STUBS if not _same(SOURCE / PROTO / name, Path(folder) / PROTO / name)]


def _same(committed: Path, fresh: Path) -> bool:
    return committed.is_file() and committed.read_bytes() == fresh.read_bytes()


def main() -> int:
    """Run the command line. Returns its exit status."""
    if "--check" not in sys.argv[1:]:
        generate(SOURCE)
        return 0
    if names := stale():
        print(f"stale stubs: {', '.join(names)}; run `python -m tools.stubs` and commit them", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
