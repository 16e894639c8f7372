"""The node's process: sees cgroups made, finds the containers among them, asks whose they are, writes it down."""

from __future__ import annotations

import sys

if "rich" not in sys.modules:
    # structlog takes rich and pygments in for tracebacks on terminals, where it finds them: 5 MiB that stay, and a
    # third of the time to start. What has no entry but None can't be imported (the language's reference, 5.3.1).
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog as structlog
    finally:
        del sys.modules["rich"]
