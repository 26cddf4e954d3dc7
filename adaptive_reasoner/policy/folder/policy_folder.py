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
from adaptive_reasoner.policy.folder.regular_files import Refusing, open_regular, read_regular

FORMAT = 2
"""Version of the format written here; folders up to it can be read. 2 has the trust in predictions."""

CARD = "policy.json"
CARD_BYTES = 4_000_000
"""The most bytes that `policy.json` may have."""

FILE_BYTES = 2**31
"""The most bytes that a file beside it may have: an ONNX model can have no more."""

MOST_FILES = 16
"""The most files that a policy may name."""

POINTER = "current"
"""The file of a policy store that names its current policy, and those current before it, a line each."""

POINTER_BYTES = 100_000
"""The most bytes that it may have."""

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
    check_place(target)
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


def check_place(folder: PathLike) -> None:
    """Refuse a folder that a policy cannot be written to, before it is trained.

    Raises:
        FileExistsError: Something that is no policy stands there.
    """
    target = Path(folder).absolute()
    if (target / CARD).is_file() or not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if (target / POINTER).is_file():
        raise FileExistsError(
            f"{target} is a policy store and was not changed; write to another folder, and add that: "
            f"adaptive-reasoner policy add {folder} FOLDER"
        )
    raise FileExistsError(f"{target} is not a policy folder and was not changed; choose another one")


def read_policy_folder(folder: PathLike) -> dict[str, Any]:
    """What `policy.json` says, once every file has been found to be what was written.

    Raises:
        PolicyFormatError: A file is missing, changed, too large or not a regular file of the folder, or the
            format is newer than `FORMAT`; it names which.
    """
    path = Path(folder) / CARD
    if not path.exists():
        raise PolicyFormatError(f"{path} is missing: it cannot be read; {_no_policy(path.parent)}")
    text = read_regular(path, at_most=CARD_BYTES)
    with Refusing(path, "it is not JSON"):
        card = json.loads(text, parse_constant=_refuse_constant)
    version = card.get("format") if isinstance(card, dict) else None
    if not isinstance(version, int):
        raise PolicyFormatError(f"{path} does not say which format it is of")
    if version > FORMAT:
        raise PolicyFormatError(
            f"{path} is of format {version}, newer than the {FORMAT} read here: upgrade adaptive-reasoner"
        )
    with Refusing(path, "it is nested too deeply"):
        digest = _card_digest(card)
    if card.get("digest") != digest:
        raise PolicyFormatError(f"{path} was changed after it was written: its digest differs; train again")
    files = card.get("files", {})
    if not isinstance(files, dict) or len(files) > MOST_FILES:
        raise PolicyFormatError(f"{path} does not list its files, {MOST_FILES} at most, by their names")
    for name, expected in files.items():
        _check_name(name, path)
        if _file_digest(path.parent / name) != expected:
            raise PolicyFormatError(
                f"{path.parent / name} was changed after it was written: its digest differs"
            )
    return dict(card)


def current_folder(path: PathLike) -> Path:
    """The policy folder that is meant: the folder itself, or the current one of a policy store.

    Raises:
        PolicyFormatError: The store's file `current` cannot be read, or names no folder of the store.
    """
    folder = Path(path)
    if (folder / CARD).exists() or not (folder / POINTER).exists():
        return folder
    return folder / read_pointer(folder)[0]


def read_pointer(store: Path) -> list[str]:
    """The name of a store's current policy, and those that were current before it, the latest first.

    Raises:
        PolicyFormatError: The file `current` cannot be read, or names what is no folder of the store.
    """
    path = store / POINTER
    text = read_regular(path, at_most=POINTER_BYTES)
    with Refusing(path, "it is not text"):
        names = text.decode().split("\n")[:-1]
    if not names:
        raise PolicyFormatError(f"{path} names no policy; activate one")
    for name in names:
        _check_name(name, path)
    return names


def counts_of(card: Mapping[str, Any]) -> str | None:
    """Which tokens the costs of a policy count: `completion` or `total`; None where they are no tokens.

    The menu's meters take precedence over the card: version 0.1.0 wrote `completion` for either.

    Example:
        >>> menu = {"meters": {"cot": "TokenMeter(counts='total', cost_unit='tokens')"}}
        >>> counts_of({"counts": "completion", "menu": menu}), counts_of({"counts": None})
        ('total', None)
    """
    meters = (card.get("menu") or {}).get("meters") or {}
    named = {counts for meter in meters.values() for counts in _COUNTS if f"counts='{counts}'" in str(meter)}
    return named.pop() if len(named) == 1 else card.get("counts")


def _no_policy(folder: Path) -> str:
    """What is in the place of a policy folder, and what to name in place of it."""
    if not folder.is_dir():
        return "there is no such folder; `adaptive-reasoner train` writes one"
    policies = sorted(path.parent.name for path in folder.glob(f"[!.]*/{CARD}"))
    if not policies:
        return f"{folder} is no policy folder; `adaptive-reasoner train` writes one"
    return f"{folder} holds the policies {', '.join(policies)}; name one of them, or activate one"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which is not a number")


def _check_name(name: str, path: Path) -> None:
    if Path(name).name != name or name in ("", "..") or not name.isprintable():
        raise PolicyFormatError(f"{path} names {name!r}, which is not a file of the folder")


def _file_digest(path: Path) -> str:
    with open_regular(path, at_most=FILE_BYTES) as file, Refusing(path, "it cannot be read"):
        return hashlib.file_digest(file, "sha256").hexdigest()


def _card_digest(card: Mapping[str, Any]) -> str:
    fields = {name: value for name, value in card.items() if name != "digest"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
