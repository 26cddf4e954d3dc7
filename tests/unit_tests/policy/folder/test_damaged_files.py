"""A policy whose files are none, are elsewhere, cut, flipped or in each other's place is refused or works."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.policy.learned import LearnedPolicy
from tests.unit_tests.policy.forged_folders import CARD, FILES, GOOD, check, forged, opened


@pytest.mark.parametrize("name", ["policy.json", *FILES])
@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "link out", "link to itself", "sparse"])
def test_a_file_that_is_none_is_refused_without_waiting(tmp_path, name, kind):
    folder = forged(tmp_path / "policy")
    path = folder / name
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "link out":
        path.symlink_to(GOOD / name)
    elif kind == "link to itself":
        path.symlink_to(path)
    else:
        with path.open("wb") as file:
            file.truncate(2**33)
    with pytest.raises(PolicyFormatError, match=re.escape(str(path))):
        LearnedPolicy.load(folder)


def test_links_within_the_folder_are_followed(tmp_path):
    folder = forged(tmp_path / "policy")
    (folder / "..data").mkdir()
    for name in ("policy.json", *FILES):
        (folder / name).rename(folder / "..data" / name)
        (folder / name).symlink_to(Path("..data", name))
    (tmp_path / "linked").symlink_to(folder)
    assert LearnedPolicy.load(tmp_path / "linked").policy_id == CARD["digest"][:16]


def damaged(folder, *, flips):
    """Folders with one file cut, emptied, replaced by noise, or with bits flipped."""
    rng = np.random.default_rng(0)
    for name in FILES:
        whole, key = (GOOD / name).read_bytes(), name.replace(".", "_")
        variants = {f"cut at {cut}": whole[: len(whole) * cut // 7] for cut in range(7)}
        variants |= {"noise": rng.bytes(1000), "doubled": whole * 2, "json": b'{"a": [' * 500}
        for number in range(flips):
            flipped = bytearray(whole)
            for _ in range(1 + number % 3):
                flipped[rng.integers(len(flipped))] ^= 1 << rng.integers(8)
            variants[f"flip {number}"] = bytes(flipped)
        for what, content in variants.items():
            yield forged(folder / f"{name} {what}", **{key: content})


def test_a_damaged_file_is_refused_or_works(tmp_path):
    check(opened(list(damaged(tmp_path, flips=12))))


@pytest.mark.slow
def test_a_file_with_any_bit_flipped_is_refused_or_works(tmp_path):
    check(opened(list(damaged(tmp_path, flips=300))))


def test_models_in_each_others_place_are_refused(tmp_path):
    onnx_files = [name for name in FILES if name.endswith(".onnx")]
    assert len(onnx_files) > 1
    folders = [
        forged(tmp_path / f"{one} {other}", **{one.replace(".", "_"): (GOOD / other).read_bytes()})
        for one in onnx_files
        for other in onnx_files
        if one != other
    ]
    rows = opened(folders)
    check(rows)
    assert all(row["said"].startswith("refused: ") for row in rows.values())
