"""Lets a scripted CRI server answer from a loop of its own, beside tests that wait without one."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.scripted_cri import ScriptedCri


@contextmanager
def served(scripted: ScriptedCri) -> Iterator[ScriptedCri]:
    """Serve during the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(scripted.start(), loop).result(30)
        yield scripted
        asyncio.run_coroutine_threadsafe(scripted.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
