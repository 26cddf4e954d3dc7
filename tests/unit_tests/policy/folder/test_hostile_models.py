"""A policy whose model reads elsewhere, runs foreign code or takes much time or memory is refused."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from adaptive_reasoner.policy.learned import LearnedPolicy
from tests.unit_tests.policy.folder.hostile_graphs import (
    branch,
    chain,
    declared,
    expanded,
    graph_of,
    ints,
    loop,
    multiplied,
    outside,
    sparse_of,
    with_trees,
)
from tests.unit_tests.policy.forged_folders import GOOD, MEGABYTES, check, forged, opened

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
