"""Prints `docs/metrics.md`."""

from __future__ import annotations

import sys

from rollcall_agent.metrics.definitions import page

sys.stdout.write(page())
