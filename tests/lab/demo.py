"""`make demo`: rollcall on a containerd of its own, with pods, containers, a restart and a very short life.

A policy approves one image: a denied and an unapproved one follow, and the approved one's tag that moves.

The ids of what is started here are compared with what the journal has in the end: it is rollcall that has to be seen,
not the demonstration.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.images import make_image
from lab.node_lab import PROGRAMS, NodeLab, node_lab
from lab.waiting import wait_until
from rollcall.violations import State as Standing
from rollcall_agent.history.reader import open_history
from rollcall_agent.journal.file import JournalError
from rollcall_agent.journal.reader import open_reader
from rollcall_agent.journal.start import State

if TYPE_CHECKING:
    from collections.abc import Sequence

ROLLCALL: Final = str(Path(sys.executable).with_name("rollcall"))
SHORT_LIFE_S: Final = "0.005"

POLICY: Final = """\
apiVersion: rollcall.dev/v1alpha1
kind: ImageAdmissionPolicy
metadata:
  name: shop-images
spec:
  severity: high
  match:
    namespaces: {{names: [shop]}}
    outsideKubernetes: true
  rules:
    - name: approved
      effect: Allow
      images: ["{registry}/lab/shop"]
    - name: no-miners
      effect: Deny
      images: ["{registry}/lab/miner"]
      reason: it mines
  tags:
    tagMoved: Violation
"""

BROKEN: Final = {"no-miners", "(unmatched)", "(tag-moved)"}


def main() -> None:
    """Run the demonstration; exit with 1 where a start is missing or the books do not close."""
    if os.geteuid() != 0:
        sys.exit("The demo needs root, for it attaches to the kernel and runs containers: sudo make demo")
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        sys.exit(f"Missing: {', '.join(missing)}. `make demo` installs what Debian has.")
    print("A containerd and a registry of our own start; everything of theirs is removed at the end.", flush=True)
    with node_lab() as lab:
        journal = lab.scratch.folder / "journal.db"
        policies = lab.scratch.folder / "policies"
        policies.mkdir()
        (policies / "shop.yaml").write_text(POLICY.format(registry=lab.registry.address))
        watch = [ROLLCALL, "watch", "--output", "table", "--no-existing", "--policy", str(policies)]
        with _running([*watch, "--runtime-endpoint", lab.containerd.endpoint, "--journal", str(journal)]) as process:
            try:
                wait_until(lambda: _is_attached(process, journal), "rollcall watch has attached")
                made = start_containers(lab)
                wait_until(lambda: not missing_from(journal, made), "every start is recorded")
                bad = start_unapproved(lab)
                made += bad
                wait_until(lambda: rules_broken(journal) == BROKEN, "every violation is open")
                for container_id in bad:
                    lab.cri.stop_container(container_id)
                wait_until(lambda: not rules_broken(journal), "every violation is over")
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(30)
        absent = missing_from(journal, made)
        print(f"\n{len(made) - len(absent)} of the {len(made)} starts that were made are recorded.")
        books = [ROLLCALL, "books", "--journal", str(journal)]
        print(f"\n$ rollcall {' '.join(books[1:])}", flush=True)
        closed = subprocess.run(books, check=False).returncode == 0
    print(f"\nNothing of this is left. Now try it on this machine's own containers: sudo {ROLLCALL} watch")
    sys.exit(0 if closed and not absent else 1)


def start_containers(lab: NodeLab) -> list[str]:
    """Start two pods of two containers, restart one, run one for 5 ms and one by `ctr`; return the id of each start."""
    web = lab.cri.run_pod("web-7d4b9c", namespace="shop")
    batch = lab.cri.run_pod("report-28391", namespace="shop")
    front = lab.cri.run_container(web, "front", lab.reference)
    made = [web.sandbox_id, batch.sandbox_id, front]
    made.append(lab.cri.run_container(web, "cache", lab.by_digest))
    made.append(lab.cri.run_container(batch, "query", lab.reference))
    made.append(lab.cri.run_container(batch, "mail", lab.reference, "/bin/sleep", SHORT_LIFE_S))
    lab.cri.stop_container(front)
    made.append(lab.cri.run_container(web, "front", lab.reference, attempt=1))
    lab.ctr.run(lab.reference, "behind-the-back")
    return [*made, "behind-the-back"]


def start_unapproved(lab: NodeLab) -> list[str]:
    """Start a container that is denied, one that nobody approved, and one from a tag that has moved; return the ids."""
    registry = lab.registry
    pod = lab.cri.run_pod("dubious-1", namespace="shop")
    started = []
    for name in ("miner", "tool"):
        registry.push(make_image(name), f"lab/{name}", "1")
        lab.cri.pull(f"{registry.address}/lab/{name}:1")
        started.append(lab.cri.run_container(pod, name, f"{registry.address}/lab/{name}:1"))
    registry.push(make_image("another shop"), "lab/shop", "1")
    lab.cri.pull(lab.reference)
    return [*started, lab.cri.run_container(pod, "front", lab.reference)]


def rules_broken(journal: Path) -> set[str]:
    """Return the rules that open violations are of."""
    with open_history(journal) as history:
        return {each.key.rule for each in history.violations(states=[Standing.OPEN])}


def missing_from(journal: Path, made: Sequence[str]) -> list[str]:
    """Return the ids that the journal has no finished row of."""
    with open_reader(journal) as reader:
        done = {start.container_id for start in reader.events() if start.state in (State.WRITTEN, State.DROPPED)}
    return [container_id for container_id in made if container_id not in done]


def _running(command: list[str]) -> subprocess.Popen[bytes]:
    print(f"\n$ rollcall {' '.join(command[1:])}\n", flush=True)
    return subprocess.Popen(command)


def _is_attached(process: subprocess.Popen[bytes], journal: Path) -> bool:
    if process.poll() is not None:
        sys.exit(f"rollcall watch ended with {process.returncode}; `{ROLLCALL} doctor` says what this machine lacks.")
    try:
        with open_reader(journal) as reader:
            return bool(reader.books().kernel)
    except (JournalError, sqlite3.Error):
        return False  # not there yet, or not yet whole


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clear up then too
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
