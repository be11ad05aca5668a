"""Who calls: what a verified credential says, and nothing else."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Principal:
    """The verified caller: a user with roles, or another service of the system (`subject` is then its name)."""

    subject: str
    kind: Literal["user", "service"] = "user"
    roles: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_service(self) -> bool:
        return self.kind == "service"

    def has_role(self, role: str) -> bool:
        """Whether this is a user with that role; a service has none."""
        return role in self.roles
