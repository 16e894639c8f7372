"""A real registry (Debian's docker-registry, the distribution project's) on a loopback port of its own."""

from __future__ import annotations

import json
import socket
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lab.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.images import Blob, Image
    from lab.scratch import Scratch


class Registry:
    """A registry that answers at `address` (`127.0.0.1:<port>`), by plain HTTP."""

    def __init__(self, address: str) -> None:
        self.address = address

    def answers(self) -> bool:
        try:
            self._ask("GET", "/v2/")
        except OSError:
            return False
        return True

    def push(self, image: Image, repository: str, *tags: str) -> str:
        """Push an image, and all that it names, under each tag; return the reference by digest."""
        for blob in image.blobs:
            self._push_blob(repository, blob)
        for part in image.parts:
            self.push(part, repository)
        for name in (image.root.digest, *tags):
            self._ask("PUT", f"/v2/{repository}/manifests/{name}", image.root.data, image.root.media_type)
        return f"{self.address}/{repository}@{image.root.digest}"

    def delete(self, repository: str, digest: str) -> None:
        """Forget a manifest: whoever asks for it from now on gets 404."""
        self._ask("DELETE", f"/v2/{repository}/manifests/{digest}")

    def _push_blob(self, repository: str, blob: Blob) -> None:
        """Push in one piece (distribution spec, "POST then PUT")."""
        place = self._ask("POST", f"/v2/{repository}/blobs/uploads/")
        joint = "&" if "?" in place else "?"
        self._ask("PUT", f"{place}{joint}digest={blob.digest}", blob.data, "application/octet-stream")

    def _ask(self, method: str, place: str, data: bytes | None = None, media_type: str | None = None) -> str:
        """Return the answer's Location; raise urllib.error.HTTPError."""
        url = place if place.startswith("http://") else f"http://{self.address}{place}"
        request = urllib.request.Request(url, data, method=method)  # noqa: S310  # a loopback address of our own
        if media_type is not None:
            request.add_header("Content-Type", media_type)
        with _DIRECT.open(request, timeout=30) as answer:
            return str(answer.headers.get("Location", ""))


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def registry(scratch: Scratch) -> Iterator[Registry]:
    """Run a registry for the time of the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = scratch.folder / "registry.json"  # JSON is YAML
    config.write_text(
        json.dumps(
            {
                "version": "0.1",
                "log": {"level": "warn"},
                "storage": {
                    "filesystem": {"rootdirectory": str(scratch.folder / "registry")},
                    "delete": {"enabled": True},
                },
                "http": {"addr": address},
            }
        )
    )
    program = Program(["docker-registry", "serve", str(config)], scratch.folder / "registry.log")
    made = Registry(address)
    try:
        program.start(made.answers)
        yield made
    finally:
        program.end()
