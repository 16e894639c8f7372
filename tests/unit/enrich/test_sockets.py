"""Which sockets are watched, and which are there."""

from __future__ import annotations

import socket
from pathlib import Path

from rollcall_agent.enrich.sockets import USUAL, endpoints, present


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def test_given_ones_stand_beside_the_usual_ones() -> None:
    assert endpoints(["unix:///a.sock", "/a.sock", ""]) == ("/a.sock", *USUAL)


def test_only_sockets_are_there_and_each_once(tmp_path: Path) -> None:
    listen(tmp_path / "one")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to("gone")
    names = ("one", "two", "file", "nowhere", "absent")
    assert list(present(str(tmp_path / name) for name in names)) == [str(tmp_path / "one")]


def test_a_socket_made_anew_is_another(tmp_path: Path) -> None:
    path = tmp_path / "one"
    listen(path)
    before = present([str(path)])
    path.unlink()
    listen(path)
    assert present([str(path)]) != before
