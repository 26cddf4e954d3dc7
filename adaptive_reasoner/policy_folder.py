"""The policy folder on disk, the only door between the offline and the online half."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adaptive_reasoner.errors import PolicyFormatError

FORMAT = 1
"""Version of the format written here; folders up to it can be read."""

CARD = "policy.json"

_COUNTS = ("completion", "total")

PathLike = str | os.PathLike[str]


def write_policy_folder(folder: PathLike, fields: Mapping[str, Any], files: Mapping[str, Path]) -> str:
    """Write a policy folder, whole or not at all.

    Args:
        folder: Where to; an older policy there is replaced.
        fields: What `policy.json` says: plain JSON values.
        files: The other files, by the name they get.

    Returns:
        The digest over everything, from which the policy takes its id.

    Raises:
        FileExistsError: Something that is no policy stands there.
        PolicyFormatError: A name in `files` leads out of the folder.
    """
    target = Path(folder).absolute()
    for name in files:
        _check_name(name, target / CARD)
    if target.exists() and not (target / CARD).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"{target} is no policy folder and is left as it is; choose another one")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        fresh, old = Path(scratch, "new"), Path(scratch, "old")
        fresh.mkdir()
        for name, source in files.items():
            shutil.copyfile(source, fresh / name)
        digests = {name: _file_digest(fresh / name) for name in sorted(files)}
        card = {"format": FORMAT, **fields, "files": digests}
        card["digest"] = _card_digest(card)
        (fresh / CARD).write_text(json.dumps(card, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        replaces = target.exists()
        if replaces:
            target.rename(old)
        try:
            fresh.rename(target)
        except OSError:
            if replaces:
                old.rename(target)
            raise
    return str(card["digest"])


def read_policy_folder(folder: PathLike) -> dict[str, Any]:
    """What `policy.json` says, once every file has been found to be what was written.

    Raises:
        PolicyFormatError: A file is missing or changed, or the format is newer than `FORMAT`; it names which.
    """
    path = Path(folder) / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyFormatError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise PolicyFormatError(f"{path} is not JSON: {error}") from error
    version = card.get("format") if isinstance(card, dict) else None
    if not isinstance(version, int):
        raise PolicyFormatError(f"{path} does not say which format it is of")
    if version > FORMAT:
        raise PolicyFormatError(
            f"{path} is of format {version}, newer than the {FORMAT} read here: upgrade adaptive-reasoner"
        )
    if card.get("digest") != _card_digest(card):
        raise PolicyFormatError(f"{path} was changed after it was written: its digest differs; train again")
    for name, digest in card.get("files", {}).items():
        _check_name(name, path)
        if not (path.parent / name).is_file():
            raise PolicyFormatError(f"{path.parent / name} is missing")
        if _file_digest(path.parent / name) != digest:
            raise PolicyFormatError(
                f"{path.parent / name} was changed after it was written: its digest differs"
            )
    return dict(card)


def counts_of(card: Mapping[str, Any]) -> str | None:
    """Which tokens the costs of a policy count: `completion` or `total`; None where they are no tokens.

    The menu's meters go before what the card says: version 0.1.0 wrote `completion` for either.

    Example:
        >>> menu = {"meters": {"cot": "TokenMeter(counts='total', cost_unit='tokens')"}}
        >>> counts_of({"counts": "completion", "menu": menu}), counts_of({"counts": None})
        ('total', None)
    """
    meters = (card.get("menu") or {}).get("meters") or {}
    said = {counts for meter in meters.values() for counts in _COUNTS if f"counts='{counts}'" in str(meter)}
    return said.pop() if len(said) == 1 else card.get("counts")


def _check_name(name: str, path: Path) -> None:
    if Path(name).name != name:
        raise PolicyFormatError(f"{path} names {name!r}, which is not a file of the folder")


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _card_digest(card: Mapping[str, Any]) -> str:
    said = {name: value for name, value in card.items() if name != "digest"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
