"""The doctor's findings, from texts; and that the table shows hostile words harmlessly."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from rollcall_agent import doctor
from rollcall_agent.command.doctor_table import show
from rollcall_agent.doctor import Ability, Answer, Finding, Report, State

TRACING = "50 1 0:11 / /sys/kernel/tracing rw - tracefs tracefs rw\n"
BPFFS = "51 1 0:12 / /sys/fs/bpf rw shared:1 - bpf bpf rw,mode=700\n52 1 0:13 / /run/bpf rw - bpf none rw\n"


@pytest.mark.parametrize(
    ("finding", "state", "says", "remedy"),
    [
        (doctor.kernel("6.1.0-13-amd64"), State.OK, "6.1.0-13-amd64", ""),
        (doctor.kernel("5.4.0"), State.ERROR, "older than 5.8", "newer kernel"),
        (doctor.type_information(Path("/proc/self/status")), State.OK, "/proc", ""),
        (doctor.type_information(Path("/no/btf")), State.WARNING, "/no/btf is missing", "CONFIG_DEBUG_INFO_BTF"),
        (doctor.capabilities("CapEff:\t000000c000000000\n"), State.OK, "CAP_BPF", ""),
        (doctor.capabilities("CapEff:\t0000004000000000\n"), State.ERROR, "lacks CAP_BPF.", "CAP_PERFMON"),
        (doctor.lockdown(""), State.OK, "none", ""),
        (doctor.lockdown("none [integrity] confidentiality\n"), State.OK, "integrity", ""),
        (doctor.lockdown("none integrity [confidentiality]\n"), State.ERROR, "confidentiality", "lockdown=integrity"),
        (doctor.unprivileged_bpf("2\n"), State.OK, "2: only with CAP_BPF", ""),
        (doctor.unprivileged_bpf(""), State.OK, "unknown", ""),
        (doctor.unprivileged_bpf("0\n"), State.WARNING, "every user", "sysctl"),
        (doctor.memlock("5.11.0", 65536), State.OK, "not counted", ""),
        (doctor.memlock("5.10.0", -1), State.OK, "unlimited", ""),
        (doctor.memlock("5.10.0", 65536), State.WARNING, "65536 bytes", "LimitMEMLOCK"),
        (doctor.cgroups("0::/\n", ""), State.ERROR, "version 2 can be seen", "/sys/fs/cgroup"),
        (doctor.bpffs(TRACING + BPFFS), State.OK, "/sys/fs/bpf, /run/bpf", ""),
        (doctor.bpffs(TRACING), State.WARNING, "No bpffs", "mount -t bpf"),
        (doctor.program(Path("/proc/self/status")), State.OK, "/proc", ""),
        (doctor.program(Path("/no/rollcall.bpf.o")), State.WARNING, "is missing", "make bpf"),
        (doctor.runtimes([Answer(endpoint="/a", name="containerd")]), State.OK, "1 answered", ""),
        (doctor.runtimes([Answer(endpoint="/a", problem="hung")]), State.WARNING, "No container", "--runtime-endpoint"),
        (doctor.runtimes([]), State.WARNING, "No container runtime", "--runtime-endpoint"),
    ],
)
def test_each_finding(finding: Finding, state: State, says: str, remedy: str) -> None:
    assert finding.state is state
    assert says in finding.says
    assert remedy in finding.remedy
    assert bool(finding.remedy) == (state is not State.OK)


def test_a_hierarchy_is_described() -> None:
    finding = doctor.cgroups("0::/\n", "24 23 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    assert finding.says == "cgroup v2, hierarchy 0 (/sys/fs/cgroup)"


def test_a_journal_that_can_be_made_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = tmp_path / "not/yet/journal.db"
    assert doctor.journal_directory(journal).state is State.OK
    journal.parent.mkdir(parents=True)
    journal.touch()
    assert doctor.journal_directory(journal).state is State.OK
    monkeypatch.setattr("os.access", lambda path, _: path != journal)
    finding = doctor.journal_directory(journal)
    assert finding.state is State.ERROR
    assert str(journal) in finding.says
    assert "--journal" in finding.remedy


def test_what_a_runtime_calls_itself_does_nothing_to_a_terminal() -> None:
    hostile = Answer(endpoint="/run/x.sock", name="\x1b[2J[red]evil\u202e", version="1\n" + 5000 * "9", latency_ms=1.0)
    core = Ability(name="core", works=True, says="libbpf v1.1", gives=doctor.CORE_GIVES)
    bcc = Ability(name="bcc", works=False, says="missing", remedy="Install it.", gives=doctor.BCC_GIVES)
    file = io.StringIO()
    show(Report(watch_works=True, findings=[], collectors=[core, bcc], runtimes=[hostile]), file)
    shown = file.getvalue()
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert r"\x1b[2J[red]evil\u202e 1\x0a999" in " ".join(shown.split())
    assert len(shown) < 4000
    assert "unprivileged user" in " ".join(shown.split())
