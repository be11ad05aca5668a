"""As whom the server runs: it refuses to be root, so when we are, it gets another account."""

import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from atoll.lifecycle.errors import StartFailed

_NAMES = ("postgres", "nobody")
"""Accounts that a machine may have, the better one first."""


class NoAccount(StartFailed):
    """We are root, and there is no account under which the server could run and reach what it needs."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this machine."""

    name: str
    uid: int
    gid: int

    @classmethod
    def ours(cls) -> Self:
        return cls(_name_of(os.geteuid()), os.geteuid(), os.getegid())

    def own(self, path: Path) -> None:
        """Give it a folder, or a file, of its own."""
        if self.uid != os.geteuid():
            os.chown(path, self.uid, self.gid)

    def assume(self) -> None:
        """Become this account, for good. For a process that is about to run another program."""
        if self.uid != os.geteuid():
            os.setgroups([])
            os.setgid(self.gid)
            os.setuid(self.uid)

    def refuse_unreachable(self, paths: Iterable[Path]) -> None:
        """Raise `NoAccount` when it may not pass through all folders above each of `paths`."""
        for path in paths:
            for folder in path.resolve().parents:
                if not self._may_pass(folder):
                    raise NoAccount(
                        f"PostgreSQL refuses to run as root, and the account {self.name} that it gets instead may not "
                        f"enter {folder}, on the way to {path}. Run atoll as an ordinary user, or from another place."
                    )

    def _may_pass(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def account_for(folder: Path) -> Account:
    """Who is to run the server on `folder`: we ourselves, or when we are root, its owner or a lesser account."""
    if os.geteuid() != 0:
        return Account.ours()
    if folder.exists() and (owner := folder.stat()).st_uid != 0:
        return Account(_name_of(owner.st_uid), owner.st_uid, owner.st_gid)
    for name in _NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise NoAccount(f"PostgreSQL refuses to run as root, and there is no account {' or '.join(_NAMES)} to use.")


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
