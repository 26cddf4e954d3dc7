"""ONNX models of a policy's form that do something else on their way."""

from itertools import pairwise

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.unit_tests.policy.forged_folders import GOOD


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
