"""Who listens at a socket is found out by asking, whatever the socket is called."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.scripted_cri import ScriptedCri
from rollcall_agent.enrich.channel import CallError, Failure
from rollcall_agent.enrich.connect import connect
from rollcall_agent.enrich.docker_api import NEWEST

NAMES = ["docker.sock", "any.sock"]


class ScriptedDocker:
    """A daemon that says what a test tells it to, by the path without its version; anything else is not found."""

    def __init__(self, **version: Any) -> None:
        self.answers: dict[str, object] = {"/version": version, "/info": {"DriverStatus": None}}
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        self.asked.append(target)
        bare = "/" + target.split("/", 2)[2] if target.startswith("/v1.") else target
        found = self.answers.get(bare)
        status, body = (b"200 OK", found) if found is not None else (b"404 Not Found", {"message": "not here"})
        data = json.dumps(body).encode()
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(data), data))
        writer.close()


@asynccontextmanager
async def docker(path: Path, **version: Any) -> AsyncIterator[ScriptedDocker]:
    made = ScriptedDocker(**version)
    server = await asyncio.start_unix_server(made.serve, str(path))
    yield made
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("name", NAMES)
async def test_docker_is_found(tmp_path: Path, name: str) -> None:
    errors: Counter[str] = Counter()
    async with docker(tmp_path / name, Version="20.10.24", ApiVersion="1.41") as daemon:
        client = await connect(str(tmp_path / name), errors)
    assert (client.runtime.name, client.runtime.version) == ("docker", "20.10.24")
    assert daemon.asked[-1] == "/v1.41/info"
    assert not errors


@pytest.mark.parametrize("name", NAMES)
async def test_a_cri_runtime_is_found(tmp_path: Path, name: str) -> None:
    async with ScriptedCri(tmp_path / name) as crio:
        client = await connect(str(crio.path), Counter())
        await client.close()
    assert client.runtime.name == "cri-o"


@pytest.mark.parametrize(("told", "spoken"), [("1.44", "1.44"), ("1.99", "{}.{}".format(*NEWEST)), ("2.0", "1.53")])
async def test_the_newest_version_that_both_speak_is_spoken(tmp_path: Path, told: str, spoken: str) -> None:
    async with docker(tmp_path / "docker.sock", ApiVersion=told) as daemon:
        await connect(str(tmp_path / "docker.sock"), Counter())
    assert daemon.asked == ["/version", f"/v{spoken}/info"]


@pytest.mark.parametrize(
    ("version", "failure", "words"),
    [
        ({"ApiVersion": "1.40"}, Failure.UNIMPLEMENTED, r"its API ends at 1\.40, what is needed begins at 1\.41"),
        ({"ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}]}, Failure.UNIMPLEMENTED, "Podman"),
        ({"ApiVersion": "new"}, Failure.MALFORMED, "names no version"),
        ({"ApiVersion": 1.41}, Failure.MALFORMED, "ApiVersion"),
    ],
)
async def test_who_is_not_spoken_to(tmp_path: Path, version: dict[str, Any], failure: Failure, words: str) -> None:
    async with docker(tmp_path / "docker.sock", **version):
        with pytest.raises(CallError, match=words) as caught:
            await connect(str(tmp_path / "docker.sock"), Counter())
    assert caught.value.failure is failure


@pytest.mark.parametrize("name", NAMES)
async def test_nobody_is_unavailable_and_counted_once(tmp_path: Path, name: str) -> None:
    errors: Counter[str] = Counter()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / name))
    with pytest.raises(CallError) as caught:
        await connect(str(tmp_path / name), errors)
    assert caught.value.failure is Failure.UNAVAILABLE
    assert errors[Failure.UNAVAILABLE] >= 1


async def test_a_socket_of_another_kind_is_refused(tmp_path: Path) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()

    server = await asyncio.start_unix_server(greet, str(tmp_path / "docker.sock"))
    with pytest.raises(CallError):
        await connect(str(tmp_path / "docker.sock"), Counter())
    server.close()
    await server.wait_closed()
