"""The policies in a folder: which are in force where some are broken, and whether anything in it has changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct, field

from rollcall.policy.files import gather
from rollcall.policy.read import FileProblem, Loaded, read

Fingerprint = tuple[tuple[str, int, int, int, int, int], ...]
"""What of a folder changes where its files do: of each its name, device, inode, size, and times of change."""


class InForce(Struct, kw_only=True):
    """What is in force: the text of each file that is, and by file what is wrong with the text that is there now.

    A file that is broken goes on as it was last, as a whole; one that was never right has no part in it.
    """

    loaded: Loaded = field(default_factory=Loaded)
    texts: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """A digest of all that is in force."""
        whole = hashlib.sha256()
        for file in sorted(self.texts):
            for part in (file, self.texts[file]):
                data = part.encode("utf-8", "surrogatepass")
                whole.update(len(data).to_bytes(8, "big") + data)
        return whole.hexdigest()


def choose(texts: Mapping[str, str], unreadable: Iterable[FileProblem], good: Mapping[str, str]) -> InForce:
    """Say what is in force: of the text of each file, what can't be read, and the last good text of each. Pure.

    Where two files have a policy of one name, the one that has changed gives way.
    """
    chosen = _Chosen()
    changed: list[str] = []
    again: list[str] = []
    for problem in unreadable:
        chosen.complain(problem)
        again.append(problem.file)
    for file in sorted(texts):
        if texts[file] == good.get(file):
            again.append(file)
        elif problems := read(texts[file], file).problems:
            chosen.complain(problems[0])
            again.append(file)
        else:
            changed.append(file)
    for file in again:
        if file in good:
            chosen.take(file, good[file])
    for file in changed:
        if not chosen.take(file, texts[file]) and file in good:
            chosen.take(file, good[file])
    return chosen.in_force


class _Chosen:
    """What was taken so far, and by which file each name is."""

    def __init__(self) -> None:
        self.in_force = InForce()
        self._owners: dict[tuple[str, str], str] = {}

    def complain(self, problem: FileProblem) -> None:
        self.in_force.broken.setdefault(problem.file, str(problem))

    def take(self, file: str, text: str) -> bool:
        """Take a file, unless it is broken or names what another one names."""
        found = read(text, file)
        for problem in found.problems:
            self.complain(problem)
            return False
        names = [("policy", each.name) for each in found.policies]
        names += [("exception", each.name) for each in found.exceptions]
        for name in names:
            if name in self._owners:
                message = f"'{name[1]}' is there too, in {self._owners[name]}: write another name"
                self.complain(FileProblem(file=file, line=1, field="metadata.name", message=message))
                return False
        self._owners.update(dict.fromkeys(names, file))
        loaded = self.in_force.loaded
        loaded.policies += found.policies
        loaded.exceptions += found.exceptions
        loaded.places.update(found.places)
        self.in_force.texts[file] = text
        return True


class Folder:
    """A folder of policies, read again where something in it has changed. Kept is what was seen last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: Fingerprint | OSError | None = None

    def has_changed(self) -> bool:
        """Say whether something has changed since this was asked last. Symbolic links are followed."""
        before, self._seen = self._seen, _fingerprint(self.path)
        if isinstance(before, OSError) and isinstance(self._seen, OSError):
            return before.errno != self._seen.errno
        return before != self._seen

    def forget(self) -> None:
        """Have it looked at anew: what was read was not kept."""
        self._seen = None

    def read(self, good: Mapping[str, str]) -> InForce:
        """Say what is in force, given the last good text of each file. Where the folder can't be read, nothing goes."""
        texts, unreadable = gather([self.path])
        if isinstance(self._seen, OSError):
            inside = {file: text for file, text in good.items() if Path(file).parent == self.path}
            in_force = choose(inside, (), good)
            in_force.broken[str(self.path)] = f"{self.path}: it can't be read: {self._seen.strerror}"
            return in_force
        return choose(texts, unreadable, good)


def _fingerprint(path: Path) -> Fingerprint | OSError:
    try:
        names = sorted(os.listdir(path))  # noqa: PTH208  # names alone, without an object for each
    except OSError as error:
        return error
    found = []
    for name in names:
        try:
            its = (path / name).stat()
        except OSError:
            found.append((name, 0, 0, 0, 0, 0))
        else:
            found.append((name, its.st_dev, its.st_ino, its.st_size, its.st_mtime_ns, its.st_ctime_ns))
    return tuple(found)
