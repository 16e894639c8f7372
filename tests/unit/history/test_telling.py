"""Telling of violations: by output and by command, whatever the command does; nothing is lost, nothing blocks."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lab.history import Machine
from rollcall.violations import Transition
from rollcall_agent.history import judging
from rollcall_agent.history.run import run
from rollcall_agent.history.telling import COMMAND, OUTPUT, Telling

DENY_ALL = """
    apiVersion: rollcall.dev/v1alpha1
    kind: ImageAdmissionPolicy
    metadata: {name: all}
    spec:
      match: {outsideKubernetes: true}
      rules: [{name: all, effect: Deny, images: ["*/**"]}]
"""


@pytest.fixture
def open_machine(tmp_path: Path) -> Callable[..., Machine]:
    def open_machine(*receivers: str) -> Machine:
        machine = Machine(tmp_path / "journal.db", policies=tmp_path / "policies", receivers=receivers)
        machine.write("a.yaml", DENY_ALL)
        machine.tick()
        return machine

    return open_machine


@asynccontextmanager
async def running(telling: Telling) -> AsyncIterator[None]:
    task = asyncio.ensure_future(telling.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def lives(pid: object) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_each_transition_is_told_once_in_order(open_machine: Callable[..., Machine], tmp_path: Path) -> None:
    machine = open_machine(OUTPUT, COMMAND)
    heard = tmp_path / "heard"
    written: list[Transition] = []

    async def write(transition: Transition) -> None:
        written.append(transition)

    command = python(f"import sys; open({str(heard)!r}, 'a').write(sys.stdin.read())")
    rows = [machine.add(number, f"other.test/app{number % 2}:1", "a") for number in range(4)]
    machine.hand()
    for row in rows:
        machine.end(row)
    machine.tick()
    wanted = machine.told()[::2]
    telling = Telling(machine.journal, write=write, command=command)
    async with running(telling):
        telling.wake()
        await telling.finish(60)
    assert [(each.change, "all/all") for each in written] == wanted
    by_command = [json.loads(line) for line in heard.read_text().splitlines()]
    assert len(by_command) == len(written)
    for repository in ("other.test/app0", "other.test/app1"):
        mine = [each["change"] for each in by_command if each["violation"]["key"]["repository"] == repository]
        assert mine == ["opened", "repeated", "over"][: len(mine)]
    assert machine.told() == []
    assert (telling.done, telling.failed) == (len(written), 0)
    machine.close()


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("raise SystemExit(7)", "exit status 7"),
        ("import os; os.kill(os.getpid(), 9)", "signal 9"),
        ("import time; time.sleep(1000)", "killed after 0.5 s"),
        ("while True: print('x' * 65536)", "killed after 0.5 s"),
        ("import sys; sys.stdin.close()", "exit status 0"),
        ("import sys; assert len(sys.stdin.read()) == 1 << 20", "exit status 0"),
    ],
)
async def test_a_command_has_so_long_and_may_do_what_it_likes(code: str, how: str) -> None:
    deadline = 0.5 if "killed" in how else 60
    assert await run(python(code), b"x" * (1 << 20), deadline) == how


async def test_what_a_command_has_started_is_killed_with_it(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    said = await run(["sh", "-c", f"exec 3> {alive}; sleep 1000 & sleep 1000"], b"", 0.5)
    assert said == "killed after 0.5 s"
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(reader, lambda: ended.set() if os.read(reader, 1) == b"" else None)
    async with asyncio.timeout(60):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(reader)
    os.close(reader)


async def test_a_command_that_is_not_there_fails() -> None:
    assert (await run(["/nowhere"], b"", 1)).startswith("it can't be run: ")


async def test_a_command_that_fails_is_counted_and_holds_up_nothing(open_machine: Callable[..., Machine]) -> None:
    machine = open_machine(COMMAND)
    for number in range(6):
        machine.start(number, f"other.test/app{number}:1", "a")
    telling = Telling(machine.journal, command=python("raise SystemExit(1)"))
    async with running(telling):
        telling.wake()
        await telling.finish(60)
    assert (telling.done, telling.failed) == (0, 6)
    assert machine.told() == []
    machine.close()


@pytest.mark.parametrize("call", ["memfd_create", "pidfd_open"])
async def test_a_command_that_the_kernel_refuses_is_one_that_failed(
    open_machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    machine = open_machine(COMMAND)
    for number in range(6):
        machine.start(number, f"other.test/app{number}:1", "a")
    asked: list[object] = []

    def refuse(what: object, *_: object) -> int:
        asked.append(what)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, call, refuse)
    telling = Telling(machine.journal, command=["sleep", "1000"])
    async with running(telling):
        telling.wake()
        await telling.finish(20)
    assert (telling.done, telling.failed) == (0, 6)
    assert machine.told() == []
    assert len(asked) == 6
    assert not any(lives(pid) for pid in asked)
    machine.close()


async def test_one_that_is_slow_to_die_does_not_stop_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    kill, turned = os.killpg, asyncio.Event()

    def now(group: int, number: int) -> None:
        kill(group, number)
        turned.set()

    monkeypatch.setattr(os, "killpg", lambda *what: asyncio.get_running_loop().call_later(0.1, now, *what))
    assert await run(["sleep", "20"], b"", 0.1) == "killed after 0.1 s"
    assert turned.is_set()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_a_command_gets_no_ambient_capabilities(tmp_path: Path) -> None:
    said = tmp_path / "said"
    code = (
        "import asyncio; from rollcall_agent.history.run import run; "
        f"print(asyncio.run(run(['sh', '-c', 'grep CapAmb /proc/self/status > {said}'], b'', 60)))"
    )
    ambient = ["setpriv", "--inh-caps=+chown", "--ambient-caps=+chown"]
    shown = subprocess.run(
        [*ambient, "grep", "CapAmb", "/proc/self/status"], capture_output=True, text=True, check=True
    )
    assert int(shown.stdout.split()[1], 16) == 1
    subprocess.run([*ambient, *python(code)], check=True, timeout=60)
    assert int(said.read_text().split()[1], 16) == 0


async def test_what_was_not_told_waits_for_the_next_process(
    open_machine: Callable[..., Machine], tmp_path: Path
) -> None:
    machine = open_machine(COMMAND)
    for number in range(6):
        machine.start(number, f"other.test/app{number}:1", "a")
    begun = tmp_path / "begun"
    begun.mkdir()
    code = f"import tempfile, time; tempfile.mkstemp(dir={str(begun)!r}); time.sleep(1000)"
    telling = Telling(machine.journal, command=python(code))
    async with running(telling), asyncio.timeout(60):
        while len(list(begun.iterdir())) < 4:  # noqa: ASYNC110  # another process tells
            await asyncio.sleep(0.01)
    assert len(list(begun.iterdir())) == 4, "no more than four at once"
    assert len(machine.told()) == 6
    machine.again()
    telling = Telling(machine.journal, command=python(""))
    async with running(telling):
        telling.wake()
        await telling.finish(60)
    assert telling.done == 6
    machine.close()


async def test_repetitions_beyond_a_bound_are_left_out_and_counted(
    open_machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "MOST_UNTOLD", 3)
    machine = open_machine(OUTPUT)
    rows = [machine.add(number, "other.test/app:1", "a") for number in range(6)]
    machine.hand()
    for row in rows:
        machine.end(row)
    machine.tick()
    assert [change for change, _ in machine.told()] == ["opened", "repeated", "repeated", "over"]
    assert machine.judging.left_out == 3
    machine.close()


async def test_what_waits_for_a_receiver_that_is_gone_is_given_up(open_machine: Callable[..., Machine]) -> None:
    machine = open_machine(OUTPUT, COMMAND)
    machine.start(1, "other.test/app:1", "a")

    async def write(_: Transition) -> None:
        pass

    telling = Telling(machine.journal, write=write)
    async with running(telling):
        telling.wake()
        await telling.finish(60)
    assert machine.told() == []
    machine.close()
