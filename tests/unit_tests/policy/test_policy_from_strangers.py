"""A policy folder from a stranger opens or is refused: in one line, soon and in little memory.

Each folder here carries digests that fit, as a stranger's would. They are opened in a process of their own,
which also finds crashes, and which measures.
"""

import json
import os
import pickle
import re
import subprocess
import sys
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.kit.reporting.policy_on_table import Playing
from adaptive_reasoner.policy.learned import LearnedPolicy
from tests.unit_tests.toys import toy_outcomes

GOOD = Path(__file__).parents[1] / "data" / "v0_1_0" / "policy"
CARD = json.loads((GOOD / "policy.json").read_text())
FILES = tuple(CARD["files"])
SECONDS, MEGABYTES = 2.0, 300

OPEN = """
import json, resource, sys, time
from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.policy.learned import LearnedPolicy
LearnedPolicy.load(sys.argv[1]).decide("how many ?")
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
for folder in map(str.strip, sys.stdin):
    start, before = time.process_time(), peak()
    try:
        policy = LearnedPolicy.load(folder)
        decision = policy.decide("tom has 3 apples", key="a")
        policy.prospects("cot", 0.5)
        said = "works" if decision.action in policy.actions else "chooses nothing"
    except PolicyFormatError as error:
        said = f"refused: {error}"
    except Exception as error:
        said = f"raised {type(error).__name__}: {error}"
    row = {"said": said, "seconds": time.process_time() - start, "megabytes": peak() - before}
    print(json.dumps(row), flush=True)
"""


def opened(folders):
    """What comes of opening each folder, one after another in one other process."""
    listed = "".join(f"{folder}\n" for folder in folders)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", OPEN, str(GOOD)],
        input=listed,
        capture_output=True,
        text=True,
        check=False,
        timeout=120 + len(folders),
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(rows) == len(folders), f"crashed on {folders[len(rows)]}: {run.returncode} {run.stderr[-500:]}"
    return dict(zip([Path(folder).name for folder in folders], rows, strict=True))


def check(rows):
    """That every folder opened or was refused in one line, soon and in little memory."""
    wrong = {
        name: row
        for name, row in rows.items()
        if not (row["said"] == "works" or row["said"].startswith("refused: "))
        or "\n" in row["said"]
        or row["seconds"] > SECONDS
        or row["megabytes"] > MEGABYTES
    }
    assert wrong == {}


def forged(folder, card=CARD, **contents):
    """The good policy with another card or other files (`encoder_onnx=...`), under digests that fit."""
    folder.mkdir()
    for name in FILES:
        content = contents.get(name.replace(".", "_"))
        (folder / name).write_bytes((GOOD / name).read_bytes() if content is None else content)
    return sealed(folder, card)


def sealed(folder, card=CARD):
    """The folder with digests in its card that fit; a file that cannot be read keeps the digest it had."""
    digests = {
        name: sha256((folder / name).read_bytes()).hexdigest() for name in FILES if is_plain(folder / name)
    }
    fields = {name: value for name, value in card.items() if name != "digest"}
    if isinstance(fields.get("files"), dict) and fields["files"].keys() >= digests.keys():
        fields["files"] = fields["files"] | digests
    said = json.dumps(fields, sort_keys=True)
    fields["digest"] = sha256(said.encode()).hexdigest()
    (folder / "policy.json").write_text(json.dumps(fields))
    return folder


def is_plain(path):
    return path.is_file() and not path.is_symlink()


def fields_of(card, at=()):
    """Every place in the card that holds a value, of a list its first item."""
    items = (
        card.items() if isinstance(card, dict) else [(0, card[0])] if isinstance(card, list) and card else []
    )
    for name, value in items:
        yield (*at, name)
        yield from fields_of(value, (*at, name))


def changed(at, value):
    """The card with another value at one place; without it for `...`."""
    card = json.loads(json.dumps(CARD))
    inner = card
    for name in at[:-1]:
        inner = inner[name]
    if value is ...:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return card


NESTED = json.loads("[" * 60 + "]" * 60)
OTHERS = {
    "gone": ...,
    "null": None,
    "text": "x",
    "escape": "\x1b[2J\n",
    "half": "\ud800",
    "minus": -1,
    "zero": 0,
    "whole": 7,
    "truth": True,
    "fraction": 0.5,
    "huge": 10**300,
    "long": 10**4000,
    "large": 2**40,
    "list": [],
    "object": {},
    "nested": NESTED,
    "pair": [1, "a"],
}
PLACES = [at for at in fields_of(CARD) if at[0] not in ("versions", "digest") and len(at) < 4]


def forged_cards(folder, places, names):
    """A folder for each place in the card and each other value there."""
    for place in places:
        for name in names:
            yield forged(folder / f"{'.'.join(map(str, place))} {name}", changed(place, OTHERS[name]))


def test_a_card_without_a_field_or_with_nonsense_in_it(tmp_path):
    top = [place for place in PLACES if len(place) == 1]
    check(opened(list(forged_cards(tmp_path, top, ("gone", "text", "list", "minus")))))


@pytest.mark.slow
def test_each_field_of_the_card_with_each_other_value(tmp_path):
    check(opened(list(forged_cards(tmp_path, PLACES, OTHERS))))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "it is not JSON"),
        ('{"a":' * 900 + "1" + "}" * 900, "format"),
        ('{"format": 1, "price": NaN}', "holds NaN"),
        ('{"format": 1, "a": ' + "9" * 5000 + "}", "it is not JSON"),
        ("\xff\xfe{", "it is not JSON"),
        (" " * 4_000_001, "at most 4,000,000"),
    ],
    ids=["endless", "nested", "nan", "digits", "encoding", "large"],
)
def test_a_card_that_is_hardly_json_is_refused(tmp_path, text, reason):
    forged(tmp_path / "policy")
    (tmp_path / "policy" / "policy.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(PolicyFormatError, match=reason):
        LearnedPolicy.load(tmp_path / "policy")


def test_a_name_of_a_file_that_leads_elsewhere_is_refused(tmp_path):
    for number, name in enumerate(("../x", "..", "", ".", "a/b", "a\0b", "policy.json")):
        folder = tmp_path / str(number)
        folder.mkdir()
        sealed(folder, CARD | {"files": CARD["files"] | {name: "0"}})
        with pytest.raises(PolicyFormatError):
            LearnedPolicy.load(folder)


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


def graph_of(nodes, constants=(), *, functions=(), domains=(), sparse=()):
    """An imitator of the right form that first does `nodes`, which end in `made`."""
    good = onnx.load(str(GOOD / "imitator.onnx"))
    model = onnx.ModelProto()
    model.CopyFrom(good)
    summed = [
        helper.make_node("Cast", ["made"], ["made_f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["made_f"], ["made_1"], keepdims=0),
        helper.make_node("Mul", ["made_1", "none"], ["made_0"]),
        helper.make_node("Add", ["accuracy_before", "made_0"], ["accuracy"]),
    ]
    before = list(model.graph.node)
    for node in before:
        if "accuracy" in node.output:
            node.output[:] = ["accuracy_before"]
    del model.graph.node[:]
    model.graph.node.extend([*before, *nodes, *summed])
    model.graph.initializer.extend([numpy_helper.from_array(np.float32(0), "none"), *constants])
    model.graph.sparse_initializer.extend(sparse)
    model.functions.extend(functions)
    model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in domains)
    return model.SerializeToString()


def ints(name, *values):
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def outside(location, name="made"):
    """A tensor whose numbers are said to be in another file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def branch(tensor, name="chosen"):
    node = helper.make_node("Constant", [], [name], value=tensor)
    output = helper.make_tensor_value_info(name, TensorProto.FLOAT, [4])
    return helper.make_graph([node], name, [], [output])


def sparse_of(tensor):
    sparse = onnx.SparseTensorProto(dims=[2**20, 2**10])
    sparse.values.CopyFrom(tensor)
    sparse.indices.CopyFrom(ints("at", 1))
    return sparse


def loop(times):
    body = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in ("going", "held")],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("held", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("going_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("held_out", TensorProto.FLOAT, None),
        ],
    )
    always = numpy_helper.from_array(np.array(True), "always")
    return graph_of(
        [helper.make_node("Loop", ["times", "always", "none"], ["made"], body=body)],
        [ints("times", times), always],
    )


def chain(operator, times, **attributes):
    names = ["none_1", *(f"link_{number}" for number in range(times - 1)), "made"]
    nodes = [helper.make_node("Unsqueeze", ["none", "axis"], ["none_1"])]
    for source, target in pairwise(names):
        inputs = [source, source] if operator != "Tile" else [source, "twice"]
        nodes.append(helper.make_node(operator, inputs, [target], **attributes))
    return graph_of(nodes, [ints("axis", 0), ints("twice", 4096)])


def declared(*dims, raw=b"\0" * 16):
    tensor = TensorProto(name="made", data_type=TensorProto.FLOAT, dims=dims)
    tensor.raw_data = raw
    return graph_of([], [tensor])


def expanded(operator, shape):
    shaped = [ints("shape", *shape)]
    inputs = ["shape"] if operator == "ConstantOfShape" else ["none", "shape"]
    return graph_of([helper.make_node(operator, inputs, ["made"])], shaped)


def multiplied(side, times):
    """Products of matrices that would take minutes."""
    nodes = [helper.make_node("Expand", ["none", "shape"], ["matrix_0"])]
    nodes += [
        helper.make_node("MatMul", [f"matrix_{number}", "matrix_0"], [f"matrix_{number + 1}"])
        for number in range(times)
    ]
    nodes.append(helper.make_node("Identity", [f"matrix_{times}"], ["made"]))
    return graph_of(nodes, [ints("shape", side, side)])


def with_trees(**changes):
    model = onnx.load(str(GOOD / "imitator.onnx"))
    leaf = {
        "n_targets": 1,
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [1.0, 2.0],
    }
    node = helper.make_node(
        "TreeEnsembleRegressor", ["features"], ["made"], domain="ai.onnx.ml", **(leaf | changes)
    )
    assert model.graph.input[0].name == "features"
    return graph_of([node])


KEPT = "its weights are kept in another file"
HOSTILE = {
    "an absolute path": (graph_of([], [outside("/etc/hostname")]), KEPT),
    "a path upwards": (graph_of([], [outside("../../values.json")]), KEPT),
    "a link beside it": (graph_of([], [outside("weights")]), KEPT),
    "a place in memory": (graph_of([], [outside("*/_ORT_MEM_ADDR_/*")]), KEPT),
    "a constant outside": (
        graph_of([helper.make_node("Constant", [], ["made"], value=outside("/etc/hostname"))]),
        KEPT,
    ),
    "a branch outside": (
        graph_of(
            [
                helper.make_node(
                    "If",
                    ["always"],
                    ["made"],
                    then_branch=branch(outside("/etc/hostname", "a"), "then"),
                    else_branch=branch(outside("/etc/hostname", "b"), "else"),
                )
            ],
            [numpy_helper.from_array(np.array(True), "always")],
        ),
        KEPT,
    ),
    "sparse weights": (
        graph_of(
            [helper.make_node("Identity", ["a"], ["made"])], sparse=[sparse_of(outside("/etc/hostname", "a"))]
        ),
        "sparse",
    ),
    "a sparse constant": (
        graph_of([helper.make_node("Constant", [], ["made"], sparse_value=sparse_of(ints("a", 1)))]),
        "sparse",
    ),
    "a foreign operator": (
        graph_of([helper.make_node("Evil", ["none"], ["made"], domain="evil")], domains=["evil"]),
        "foreign domain 'evil'",
    ),
    "a contributed operator": (
        graph_of(
            [helper.make_node("Gelu", ["none"], ["made"], domain="com.microsoft")], domains=["com.microsoft"]
        ),
        "foreign domain 'com.microsoft'",
    ),
    "a function": (
        graph_of(
            [helper.make_node("Identity", ["none"], ["made"])],
            functions=[
                helper.make_function(
                    "",
                    "Identity",
                    ["a"],
                    ["b"],
                    [helper.make_node("Neg", ["a"], ["b"])],
                    [helper.make_opsetid("", 17)],
                )
            ],
        ),
        "functions of its own",
    ),
    "a loop": (loop(10**12), "'Loop'"),
    "a declared giant": (declared(2**20, 2**20), "declares 1,099,511,627,776 elements"),
    "a negative shape": (declared(-1, 4), "shape"),
    "many dimensions": (declared(*[1] * 100), "shape"),
    "a constant of shape": (expanded("ConstantOfShape", [40_000, 40_000]), "cannot be run within"),
    "an expansion": (expanded("Expand", [20_000, 20_000]), "cannot be run within"),
    "an expansion in parts": (expanded("Expand", [9_000, 9_000]), "cannot be run within"),
    "doubled over and over": (chain("Concat", 34, axis=0), "cannot be run within"),
    "tiled over and over": (chain("Tile", 3), "cannot be run within"),
    "long products": (multiplied(1_000, 800), "cannot be run within"),
    "too many nodes": (chain("Add", 10_001), "more than 10,000 nodes"),
    "too many tensors": (graph_of([], [ints(f"t{at}") for at in range(20_001)]), "more than 20,000 tensors"),
    "a cycle of trees": (
        with_trees(nodes_modes=["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"]),
        "onnxruntime cannot open",
    ),
    "a feature before the first": (with_trees(nodes_featureids=[-1000, 0, 0]), "negative position"),
    "endless outputs": (with_trees(n_targets=2**31), "more than 10,000 outputs"),
    "no number": (graph_of([], [numpy_helper.from_array(np.float32([np.nan]), "made")]), "not a number"),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """What came of every hostile model."""
    place = tmp_path_factory.mktemp("hostile")
    (place / "weights").write_bytes(b"secretsecretsecret")
    folders = [forged(place / name, imitator_onnx=model) for name, (model, _) in HOSTILE.items()]
    for folder in folders:
        (folder / "weights").symlink_to(place / "weights")
    return opened(folders)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_model_is_refused_with_its_reason(hostile, name):
    check({name: hostile[name]})
    assert HOSTILE[name][1] in hostile[name]["said"]


def test_hostile_models_together_take_no_more_memory(hostile):
    assert sum(row["megabytes"] for row in hostile.values()) < MEGABYTES


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
NOTHING = {"type": "Replace", "pattern": {"String": ""}, "content": "a"}
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


def test_models_in_each_others_place_are_refused(tmp_path):
    onnx_files = [name for name in FILES if name.endswith(".onnx")]
    folders = [
        forged(tmp_path / f"{one} {other}", **{one.replace(".", "_"): (GOOD / other).read_bytes()})
        for one in onnx_files
        for other in onnx_files
        if one != other
    ]
    rows = opened(folders)
    check(rows)
    assert all(row["said"].startswith("refused: ") for row in rows.values())


def test_opening_does_not_bind_other_users_of_onnxruntime(tmp_path):
    """Opening tries a model in an arena with a bound; who shares the arena afterwards has none."""
    LearnedPolicy.load(GOOD)
    node = helper.make_node("Expand", ["one", "shape"], ["large"])
    graph = helper.make_graph(
        [node],
        "large",
        [helper.make_tensor_value_info("one", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("large", TensorProto.FLOAT, None)],
        [ints("shape", 10_000, 5_000)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    assert session.run(None, {"one": np.ones(1, dtype=np.float32)})[0].shape == (10_000, 5_000)


def test_a_policy_can_be_sent_to_another_process():
    policy = LearnedPolicy.load(GOOD)
    assert pickle.loads(pickle.dumps(policy)).decide("how many ?") == policy.decide("how many ?")


@pytest.mark.parametrize("name", ["data", "report"])
def test_a_report_of_a_policy_that_keeps_no_record_is_refused(tmp_path, name):
    policy = LearnedPolicy.load(forged(tmp_path / "policy", changed((name,), ...)))
    with pytest.raises(PolicyFormatError, match=f"{name} is missing"):
        Playing.of(policy, toy_outcomes(4))
