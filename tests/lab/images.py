"""Images of a few files, made here: one layer around busybox, as the OCI image specification says.

The same arguments give the same digests: no clock goes in.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
MEDIA_TYPES = {  # config, layer, manifest, index: the two sets that registries hold
    "oci": (f"{OCI}.config.v1+json", f"{OCI}.layer.v1.tar+gzip", f"{OCI}.manifest.v1+json", f"{OCI}.index.v1+json"),
    "docker": (
        f"{DOCKER}.container.image.v1+json",
        f"{DOCKER}.image.rootfs.diff.tar.gzip",
        f"{DOCKER}.distribution.manifest.v2+json",
        f"{DOCKER}.distribution.manifest.list.v2+json",
    ),
}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}
SLEEP_FOREVER = ("/bin/sleep", "2147483647")
APPLETS = ("sh", "sleep", "true", "cat", "echo", "mkdir", "rmdir")


def here() -> str:
    """This machine's architecture, by the image specification's name."""
    return ARCHITECTURES[platform.machine()]


@dataclass(frozen=True)
class Blob:
    """Some bytes with a media type; `digest` is what everybody calls them by."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    def descriptor(self, **more: object) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data), **more}


@dataclass(frozen=True)
class Image:
    """An image (`blobs`: config and layer) or an index (`parts`: its images); `root` is its manifest or index."""

    root: Blob
    blobs: tuple[Blob, ...] = ()
    parts: tuple[Image, ...] = ()
    architecture: str = ""

    @property
    def config_digest(self) -> str:
        """What CRI calls the image's id; of an index: that of this machine's image."""
        image = next((part for part in self.parts if part.architecture == here()), self)
        return image.blobs[0].digest


def make_image(
    mark: str,
    *,
    command: Sequence[str] = SLEEP_FOREVER,
    labels: dict[str, str] | None = None,
    architecture: str | None = None,
    media_types: str = "oci",
) -> Image:
    """Make an image that runs `command`; another `mark` is another image, of another digest."""
    config_type, layer_type, manifest_type, _ = MEDIA_TYPES[media_types]
    architecture = architecture or here()
    content = _layer(mark)
    layer = Blob(layer_type, gzip.compress(content, compresslevel=1, mtime=0))
    config = _json(
        config_type,
        architecture=architecture,
        os="linux",
        config={"Cmd": list(command), "Env": ["PATH=/bin"], "Labels": labels or {}},
        rootfs={"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"]},
    )
    manifest = _json(
        manifest_type,
        schemaVersion=2,
        mediaType=manifest_type,
        config=config.descriptor(),
        layers=[layer.descriptor()],
    )
    return Image(manifest, blobs=(config, layer), architecture=architecture)


def make_index(images: Sequence[Image], *, media_types: str = "oci") -> Image:
    """Make an index of images for several architectures."""
    index_type = MEDIA_TYPES[media_types][3]
    manifests = [
        image.root.descriptor(platform={"os": "linux", "architecture": image.architecture}) for image in images
    ]
    return Image(_json(index_type, schemaVersion=2, mediaType=index_type, manifests=manifests), parts=tuple(images))


def write_archive(image: Image, path: Path, reference: str) -> None:
    """Write an OCI archive, as `ctr images import` takes it; `reference` is the name that the image gets."""
    named = image.root.descriptor(annotations={"io.containerd.image.name": reference})
    index = _json(MEDIA_TYPES["oci"][3], schemaVersion=2, manifests=[named])
    with tarfile.open(path, "w") as archive:
        _add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add(archive, "index.json", index.data)
        for blob in _all_blobs(image):
            _add(archive, f"blobs/{blob.digest.replace(':', '/')}", blob.data)


def _all_blobs(image: Image) -> list[Blob]:
    return [image.root, *image.blobs, *(blob for part in image.parts for blob in _all_blobs(part))]


def _json(media_type: str, **content: object) -> Blob:
    return Blob(media_type, json.dumps(content, sort_keys=True).encode())


def _layer(mark: str) -> bytes:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        for path, data in _program():
            _add(archive, path, data, mode=0o755)
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        _add(archive, "etc/mark", mark.encode())
    return layer.getvalue()


@cache
def _program() -> list[tuple[str, bytes]]:
    """Busybox, and where it is not static the libraries that it names: Debian has one package or the other."""
    busybox = shutil.which("busybox", path="/bin:/usr/bin")
    if busybox is None:
        raise FileNotFoundError("busybox is missing: install busybox-static (Debian) or any other busybox")
    listed = subprocess.run(["ldd", busybox], capture_output=True, text=True, check=False).stdout
    libraries = [word for word in listed.split() if word.startswith("/")]
    return [("bin/busybox", Path(busybox).read_bytes()), *((it.lstrip("/"), Path(it).read_bytes()) for it in libraries)]


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))
