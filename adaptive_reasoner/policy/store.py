"""A folder of policy folders, of which one is current."""

import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adaptive_reasoner.atomic_file import replaced_whole
from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.policy.folder.policy_folder import (
    CARD,
    POINTER,
    PathLike,
    read_pointer,
    read_policy_folder,
)
from adaptive_reasoner.policy.learned import LearnedPolicy

_REMEMBERED = 100  # policies that were current before


@dataclass(frozen=True, kw_only=True)
class StoredPolicy:
    """A policy folder of a store.

    Attributes:
        name: Its name in the store.
        state: `"current"`; `"before"`, which `rollback` returns to; or empty.
        digest: The first 16 digits, which are the policy's id; None where the folder is damaged.
        made: When its card was written.
        budget: Allowed mean cost per question.
        cost_unit: The unit of the budget.
        verdict: What the gate said.
        problem: Why it cannot be activated; None where its files are what was written.
    """

    name: str
    state: str = ""
    digest: str | None = None
    made: datetime | None = None
    budget: float | None = None
    cost_unit: str | None = None
    verdict: str | None = None
    problem: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self) | {"made": self.made and self.made.isoformat(timespec="seconds")}


class PolicyStore:
    """A folder of policy folders, of which one is current: what `LearnedPolicy.watch` follows.

    The file `current` names the current policy and those before it. It is replaced whole, so that a reader
    sees the old one or the new one, on any file system.

    Args:
        folder: Where the policies are; made with the first one that is added.

    Example:
        >>> import tempfile
        >>> store = PolicyStore(tempfile.mkdtemp())
        >>> store.policies(), store.current
        ([], None)
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        if (self.folder / CARD).exists():
            raise PolicyFormatError(
                f"{self.folder} is a policy folder; a store is a folder that holds policy folders"
            )

    def __repr__(self) -> str:
        return f"PolicyStore({str(self.folder)!r})"

    @property
    def current(self) -> Path | None:
        """The current policy's folder; None before one was activated."""
        names = self._names()
        return self.folder / names[0] if names else None

    def policies(self) -> list[StoredPolicy]:
        """Every policy of the store, the oldest first; damaged ones too, with what is wrong with them.

        Raises:
            PolicyFormatError: There is no such folder, or the file `current` is damaged.
        """
        if not self.folder.is_dir():
            raise PolicyFormatError(f"{self.folder} is no policy store; add a policy to make one")
        found = [
            path.name for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith(".")
        ]
        states = dict(zip(self._names(), ("current", "before"), strict=False))
        policies = [self._describe(name, states.get(name, "")) for name in {*found, *states}]
        return sorted(policies, key=lambda each: (each.made or datetime.min.replace(tzinfo=UTC), each.name))

    def add(self, folder: PathLike, *, name: str | None = None) -> str:
        """Copy a policy folder into the store, whole or not at all, once it was found to be intact.

        Args:
            folder: A policy folder.
            name: Its name in the store. Default: the first 16 digits of its digest.

        Returns:
            The name in the store, that of the same policy where it is there already.

        Raises:
            PolicyFormatError: The folder is damaged, the name cannot be one, or another policy has it.
        """
        card = read_policy_folder(folder)
        digest: str = card["digest"]
        name = digest[:16] if name is None else name
        target = self._path(name)
        if target.exists():
            if read_policy_folder(target)["digest"] == digest:
                return name
            raise PolicyFormatError(f"{target} is another policy; choose another name")
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".") as scratch:
            copied = Path(scratch, name)
            copied.mkdir()
            for each in (CARD, *card["files"]):
                shutil.copy2(Path(folder, each), copied / each)
            LearnedPolicy.load(copied)
            copied.rename(target)
        return name

    def activate(self, name: str) -> StoredPolicy:
        """Make a policy the current one, once it was found to open.

        Raises:
            PolicyFormatError: There is no such policy, or it is damaged; the current one stays.
        """
        before = self._names()
        self._check(name)
        if before[:1] != [name]:
            self._point([name, *before])
        return self._describe(name, "current")

    def rollback(self) -> StoredPolicy:
        """Make the policy current that was so before the current one was activated.

        Raises:
            PolicyFormatError: None was, or it is damaged; the current one stays.
        """
        names = self._names()
        if len(names) < 2:
            raise PolicyFormatError(
                f"{self.folder} has no earlier policy to return to; activate one by its name"
            )
        self._check(names[1])
        self._point(names[1:])
        return self._describe(names[1], "current")

    def _names(self) -> list[str]:
        return read_pointer(self.folder) if (self.folder / POINTER).exists() else []

    def _point(self, names: list[str]) -> None:
        with replaced_whole(self.folder / POINTER) as part:
            part.write_text("".join(f"{name}\n" for name in names[:_REMEMBERED]), encoding="utf-8")

    def _check(self, name: str) -> None:
        path = self._path(name)
        if not path.is_dir():
            there = ", ".join(sorted(each.name for each in self.policies() if each.problem is None))
            raise PolicyFormatError(f"{path} is not there; the store has {there or 'no policy'}")
        LearnedPolicy.load(path)

    def _path(self, name: str) -> Path:
        if name in ("", POINTER) or name.startswith(".") or Path(name).name != name or not name.isprintable():
            raise PolicyFormatError(
                f"{self.folder}: {name!r} cannot be the name of a policy in a store; a name is that of a "
                f"folder, without '/', does not begin with a dot, and is not {POINTER!r}"
            )
        return self.folder / name

    def _describe(self, name: str, state: str) -> StoredPolicy:
        path = self.folder / name
        try:
            card = read_policy_folder(path)
        except PolicyFormatError as error:
            return StoredPolicy(name=name, state=state, problem=str(error))
        return StoredPolicy(
            name=name,
            state=state,
            digest=card["digest"][:16],
            made=datetime.fromtimestamp((path / CARD).stat().st_mtime, UTC),
            **{field: card.get(field) for field in ("budget", "cost_unit", "verdict")},
        )
