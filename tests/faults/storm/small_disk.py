"""A disk of its own for the data of one round, small enough to be filled."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

SIZE = 256 * 1024 * 1024
"""Bytes."""


class SmallDisk:
    """Mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Within, nothing more can be written."""
        filler = self.folder / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                _write_until_full(file.fileno())
            yield
        finally:
            filler.unlink()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk | None]:
    """A tmpfs at `folder`, gone afterwards; None where we may not mount one, which takes root on Linux."""
    mount, umount = (shutil.which(name) for name in ("mount", "umount"))
    options = ["-t", "tmpfs", "-o", f"size={SIZE},mode=711", "tmpfs", str(folder)]
    if not mount or not umount or subprocess.run([mount, *options], check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run([umount, "--lazy", str(folder)], check=True, capture_output=True)


def _write_until_full(descriptor: int) -> None:
    for size in (1024 * 1024, 4096):
        block = bytes(size)
        with contextlib.suppress(OSError):
            while os.write(descriptor, block):
                pass
