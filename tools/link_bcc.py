"""Links Debian's `bcc` folder into this virtual environment, and nothing else of the system's packages.

`bcc` on PyPI is another project. Debian's python3-bpfcc is pure Python over libbcc.so.0, so it serves any Python 3.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

DEBIAN = Path("/usr/lib/python3/dist-packages/bcc")


def main() -> None:
    """Make the link where the folder is there and the link is not."""
    link = Path(sysconfig.get_path("purelib")) / "bcc"
    if DEBIAN.is_dir() and not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(DEBIAN)


if __name__ == "__main__":
    main()
