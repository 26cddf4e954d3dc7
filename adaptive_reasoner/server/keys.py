"""API keys: a file holds their hashes, each with its name, its tenant and what the tenant may spend."""

import hashlib
import json
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adaptive_reasoner.atomic_file import replaced_whole
from adaptive_reasoner.errors import AdaptiveReasonerError
from adaptive_reasoner.server.errors import RequestError

_PREFIX = "ar-"
_BYTES = 32


class KeyFileError(AdaptiveReasonerError, ValueError):
    """A file of API keys cannot be used as it is."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^/\x00-\x1f]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    tenant: str | None = Field(default=None, min_length=1, max_length=100, pattern=r"^[^/\x00-\x1f]+$")
    budget: float | None = Field(default=None, gt=0)
    hard_cap: float | None = Field(default=None, gt=0)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: list[_Row]


@dataclass(frozen=True)
class Caller:
    """The client that sends a request.

    Attributes:
        name: The name of the key; None without keys.
        tenant: Who is charged, beside the common ledger.
        budget: The tenant's own mean cost per question.
        hard_cap: What the tenant can spend at most.
    """

    name: str | None = None
    tenant: str | None = None
    budget: float | None = None
    hard_cap: float | None = None

    @property
    def scope(self) -> str:
        """The prefix of the names of runs and keys, so that callers do not share them."""
        return "" if self.name is None else f"{self.name}/"  # no name has a slash


class KeyFile:
    """The keys that a server accepts, by their hashes.

    A key has 256 random bits, so its SHA-256 cannot be guessed back; no slower hash is needed.

    Args:
        callers: Who asks with a key, by the hash of the key.

    Raises:
        KeyFileError: Two keys of a tenant disagree on its budget or its cap.

    Example:
        >>> keys = KeyFile({hashed("ar-secret"): Caller("acme", tenant="acme", budget=20.0)})
        >>> keys.caller("Bearer ar-secret").tenant
        'acme'
    """

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self._callers = dict(callers)
        self.tenants: dict[str, Caller] = {}
        for caller in callers.values():
            if caller.tenant is None:
                continue
            other = self.tenants.setdefault(caller.tenant, caller)
            if (other.budget, other.hard_cap) != (caller.budget, caller.hard_cap):
                raise KeyFileError(
                    f"the keys {other.name!r} and {caller.name!r} of tenant {caller.tenant!r} differ "
                    "in budget or hard_cap; a tenant has one of each"
                )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            KeyFileError: It is no TOML, or holds something else.
        """
        return cls._read(path.read_bytes(), path)

    @classmethod
    def _read(cls, content: bytes, path: Path) -> Self:
        try:
            rows = _File.model_validate(tomllib.loads(content.decode())).keys
        except (ValidationError, ValueError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            place = ".".join(map(str, error.errors()[0]["loc"])) if isinstance(error, ValidationError) else ""
            raise KeyFileError(f"{path}: {place} {reason}".replace("  ", " ")) from None
        callers = {row.sha256: Caller(row.name, row.tenant, row.budget, row.hard_cap) for row in rows}
        if len(callers) < len(rows) or len({row.name for row in rows}) < len(rows):
            raise KeyFileError(f"{path}: two keys have the same name or hash")
        try:
            return cls(callers)
        except KeyFileError as error:
            raise KeyFileError(f"{path}: {error}") from None

    def caller(self, authorization: str | None) -> Caller:
        """Who asks with an `Authorization` header.

        Raises:
            RequestError: There is no such key.
        """
        scheme, _, key = (authorization or "").partition(" ")
        found = self._callers.get(hashed(key.strip())) if scheme.lower() == "bearer" else None
        if found is None:
            missing = "an API key is missing: send Authorization: Bearer ..."
            raise RequestError(
                "the API key is unknown" if key else missing,
                status=401,
                code="invalid_api_key",
                kind="authentication_error",
                headers={"www-authenticate": "Bearer"},
            )
        return found


def hashed(key: str) -> str:
    """The hash of a key, as a file holds it."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def add_key(path: Path, caller: Caller) -> str:
    """Make a key, and add its hash to a file, which is made where it is missing.

    Args:
        path: The file, which only its owner can read afterwards.
        caller: The name of the key, its tenant and what that may spend.

    Returns:
        The key, which is not stored anywhere.

    Raises:
        KeyFileError: The file cannot be used, or the key does not go with those in it.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    key = _PREFIX + secrets.token_urlsafe(_BYTES)
    fields: dict[str, Any] = {"name": caller.name, "sha256": hashed(key)}
    fields |= {name: getattr(caller, name) for name in ("tenant", "budget", "hard_cap")}
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items() if value is not None]
    text = "\n".join([*([before.rstrip(), ""] if before.strip() else []), "[[keys]]", *lines, ""])
    KeyFile._read(text.encode(), path)
    with replaced_whole(path) as new:
        new.touch(mode=0o600)
        new.write_text(text, encoding="utf-8")
    return key
