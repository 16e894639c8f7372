"""The demonstration: what `make demo` shows is true, and an interrupted one leaves nothing behind either."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.scratch import Scratch

ENVIRON = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
DEMO = [sys.executable, "-m", "lab.demo"]


def scratch_in(text: str) -> Scratch:
    found = re.search(r"unix://(\S+)/containerd\.sock", text)
    assert found
    return Scratch(Path(found[1]))


def nothing_is_left(place: Scratch) -> bool:
    return not (place.processes() or place.mounts() or place.cgroups() or place.folder.exists())


def test_every_start_has_a_record_and_the_books_close() -> None:
    done = subprocess.run(DEMO, env=ENVIRON, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 of the 11 starts that were made are recorded." in done.stdout
    lines = done.stdout.splitlines()
    records = [line for line in lines if " Resolved " in line and "127.0.0.1:" in line]
    assert len(records) == 12  # one more pod's sandbox
    assert len([line for line in records if " front " in line]) == 3
    for verdict, n in (("Skipped", 3), ("Allowed", 6), ("Violation", 3)):
        assert len([line for line in records if f" {verdict}" in line]) == n
    for rule in ("no-miners", "(unmatched)", "(tag-moved)"):
        assert len([line for line in lines if f" violation opened: shop-images/{rule}," in line]) == 1
        assert len([line for line in lines if f" violation over: shop-images/{rule}," in line]) == 1
    assert "The books close" in done.stdout
    assert done.stderr == ""
    assert nothing_is_left(scratch_in(done.stdout))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(number: signal.Signals) -> None:
    with subprocess.Popen(
        DEMO, env=ENVIRON, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as demo:
        assert demo.stdout is not None
        seen = ""
        while "front" not in seen:
            line = demo.stdout.readline()
            assert line, seen
            seen += line
        os.killpg(demo.pid, number)
        seen += demo.stdout.read()
    assert nothing_is_left(scratch_in(seen))
    assert "Traceback" not in seen
