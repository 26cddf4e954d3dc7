"""Fitted learners as one ONNX graph, which both halves evaluate."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

from adaptive_reasoner.arrays import Floats, Matrix

INPUT = "features"
_OPSETS = (("", 17), ("ai.onnx.ml", 3))
_IR_VERSION = 8


class Graph:
    """An ONNX graph in the making; every method that adds something returns the name of its result.

    Example:
        >>> graph = Graph(width=2)
        >>> doubled = graph.node("Mul", INPUT, graph.constant([2.0, 3.0]))
        >>> len(graph.model({"doubled": doubled}).SerializeToString()) > 0
        True
    """

    def __init__(self, *, width: int) -> None:
        self.width = width
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, values: ArrayLike) -> str:
        """A constant: integers as int64, everything else as float32."""
        array = np.asarray(values)
        array = array.astype(np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32)
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        """One operation; with several outputs their names are `name`, `name_1`, ..."""
        name = f"{operator}_{len(self._nodes)}"
        names = [name, *(f"{name}_{extra}" for extra in range(1, outputs))]
        self._nodes.append(helper.make_node(operator, inputs, names, domain=domain, **attributes))
        return name

    def columns(self, source: str, first: int, last: int) -> str:
        """Columns `first` up to `last` of a matrix."""
        return self.node("Slice", source, *map(self.constant, ([first], [last], [1])))

    def affine(self, source: str, weights: ArrayLike, offset: ArrayLike) -> str:
        """`source @ weights + offset`."""
        return self.node("Add", self.node("MatMul", source, self.constant(weights)), self.constant(offset))

    def mean(self, sources: Sequence[str]) -> str:
        """The mean of matrices of one shape."""
        total = self.node("Sum", *sources)
        return self.node("Mul", total, self.constant(1.0 / len(sources)))

    def forest(self, source: str, trees: Sequence[Any], *, targets: int) -> str:
        """The mean over the trees of scikit-learn (`estimator.tree_`), shape (m, targets)."""
        tree_ids = np.repeat(np.arange(len(trees)), [tree.node_count for tree in trees])
        node_ids = np.concatenate([np.arange(tree.node_count) for tree in trees])
        feature, threshold, left, right, value = (
            np.concatenate([getattr(tree, name) for tree in trees])
            for name in ("feature", "threshold", "children_left", "children_right", "value")
        )
        leaf = left < 0
        return self.node(
            "TreeEnsembleRegressor",
            source,
            domain="ai.onnx.ml",
            n_targets=targets,
            nodes_treeids=tree_ids.tolist(),
            nodes_nodeids=node_ids.tolist(),
            nodes_featureids=np.where(leaf, 0, feature).tolist(),
            nodes_values=_rounded_down(np.where(leaf, 0.0, threshold)).tolist(),
            nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
            nodes_truenodeids=np.where(leaf, 0, left).tolist(),
            nodes_falsenodeids=np.where(leaf, 0, right).tolist(),
            target_treeids=np.repeat(tree_ids[leaf], targets).tolist(),
            target_nodeids=np.repeat(node_ids[leaf], targets).tolist(),
            target_ids=np.tile(np.arange(targets), int(leaf.sum())).tolist(),
            target_weights=(value[leaf, :, 0] / len(trees)).astype(np.float32).ravel().tolist(),
        )

    def model(self, outputs: dict[str, str]) -> onnx.ModelProto:
        """The whole graph from `INPUT`, shape (m, width), to `outputs`: the name each result gets.

        Raises:
            onnx.checker.ValidationError: The graph is not well-formed.
        """
        for name, source in outputs.items():
            self._nodes.append(helper.make_node("Identity", [source], [name]))
        model = helper.make_model(
            helper.make_graph(
                self._nodes,
                "imitator",
                [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["questions", self.width])],
                [
                    helper.make_tensor_value_info(name, TensorProto.FLOAT, ["questions", None])
                    for name in outputs
                ],
                self._constants,
            ),
            opset_imports=[helper.make_opsetid(domain, version) for domain, version in _OPSETS],
            ir_version=_IR_VERSION,
        )
        onnx.checker.check_model(model)
        return model


def _rounded_down(threshold: Floats) -> Matrix:
    """The largest float32 not above each threshold: the comparison with a float32 feature stays the same."""
    rounded = threshold.astype(np.float32)
    too_large = rounded > threshold
    rounded[too_large] = np.nextafter(rounded[too_large], np.float32(-np.inf))
    return rounded
