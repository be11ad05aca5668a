"""A file system for SQLite that fails when it is told to, with real SQLite above it and a real one below."""

import apsw


class FaultyDisk(apsw.VFS):
    """The usual file system under another name, until it is told to fail; `unregister` it after use."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.room: int | None = None
        """How many bytes can still be written; None for any number."""
        self.sync_error: type[apsw.Error] | None = None
        """What every fsync fails with."""
        super().__init__(name, "", iVersion=3)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "FaultyFile":  # noqa: N802  # SQLite's name
        return FaultyFile(self, name, flags)


class FaultyFile(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name
        if self._disk.room is not None:
            if len(data) > self._disk.room:
                raise apsw.FullError("planned")
            self._disk.room -= len(data)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802  # SQLite's name
        if self._disk.sync_error is not None:
            raise self._disk.sync_error("planned")
        super().xSync(flags)
