"""A policy whose tokenizer pads, lengthens or adds without end, or does not fit its encoder, is refused."""

import json

from tests.unit_tests.policy.forged_folders import GOOD, check, forged, opened


def tokenizer(**changes):
    return json.dumps(json.loads((GOOD / "tokenizer.json").read_text()) | changes).encode()


ADDED = {
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": True,
    "special": False,
}
REPLACE = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
PADDING = {"direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "[UNK]"}
BETWEEN = {"type": "Replace", "pattern": {"Regex": "(?=.)"}, "content": "a"}
BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False}


def framed(times, ids):
    """A post-processor that puts a special token before a text, so many times, of so many ids."""
    text = {"Sequence": {"id": "A", "type_id": 0}}
    mark = {"SpecialToken": {"id": "[X]", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [mark] * times + [text],
        "pair": [text, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"[X]": {"id": "[X]", "ids": [0] * ids, "tokens": ["x"] * ids}},
    }


TOKENIZERS = {
    "padded without end": (
        tokenizer(padding=PADDING | {"strategy": {"Fixed": 10**12}, "pad_to_multiple_of": None}),
        "pads",
    ),
    "padded to a multiple": (
        tokenizer(padding=PADDING | {"strategy": "BatchLongest", "pad_to_multiple_of": 10**12}),
        "pads",
    ),
    "lengthened": (tokenizer(normalizer={"type": "Sequence", "normalizers": [REPLACE] * 40}), "lengthens"),
    "lengthened between all characters": (
        tokenizer(normalizer={"type": "Sequence", "normalizers": [BETWEEN] * 40}),
        "lengthens",
    ),
    "lengthened by nothing at all": (
        tokenizer(
            normalizer={"type": "Sequence", "normalizers": [REPLACE | {"pattern": {"String": ""}}] * 40}
        ),
        "lengthens",
    ),
    "begun at length": (tokenizer(normalizer={"type": "Prepend", "prepend": "a " * 5_000_000}), "lengthens"),
    "bytes of bytes": (
        tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": [BYTES] * 40}),
        "lengthens",
    ),
    "framed without end": (tokenizer(post_processor=framed(30_000, 30_000)), "pads"),
    "padded with a long token": (
        tokenizer(padding=PADDING | {"strategy": {"Fixed": 10_000}, "pad_token": "[UNK]" * 100_000}),
        "pads with a token",
    ),
    "added to at length": (
        tokenizer(
            normalizer={"type": "Sequence", "normalizers": [REPLACE] * 3},
            added_tokens=[
                ADDED | {"id": 2_000 + number, "content": f"w{number}"} for number in range(60_000)
            ],
        ),
        "adds more than",
    ),
    "of another form": (tokenizer(model={"type": "WordLevel"}), "cannot open"),
    "without the unknown": (
        tokenizer(model={"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"}),
        "cannot encode",
    ),
    "nested": (b'{"a":' * 100_000, "cannot open"),
    "beyond the words": (
        tokenizer(model={"type": "WordLevel", "vocab": {"[UNK]": 99}, "unk_token": "[UNK]"}),
        "within",
    ),
}


def test_a_hostile_tokenizer_is_refused_with_its_reason(tmp_path):
    contents = {name: content for name, (content, _) in TOKENIZERS.items()}
    rows = opened([forged(tmp_path / name, tokenizer_json=content) for name, content in contents.items()])
    check(rows)
    assert {name: reason in rows[name]["said"] for name, (_, reason) in TOKENIZERS.items()} == dict.fromkeys(
        TOKENIZERS, True
    )
