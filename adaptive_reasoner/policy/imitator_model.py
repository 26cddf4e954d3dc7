"""What a policy folder expects of a question: accuracy, cost and familiarity, read from `imitator.onnx`."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from adaptive_reasoner.arrays import Floats, Matrix
from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.policy.folder.onnx_models import open_model
from adaptive_reasoner.policy.folder.regular_files import Refusing

IMITATOR = "imitator.onnx"


class ImitatorSession:
    """Predictions from features, tried when they are opened.

    Args:
        folder: Of the policy.
        actions: How many actions it chooses among.
        features: Of a question to try it on, shape (d,).

    Raises:
        PolicyFormatError: The file is missing, is no such model, or its predictions are not finite.
    """

    def __init__(self, folder: Path, *, actions: int, features: Matrix) -> None:
        self.path = folder / IMITATOR
        self._session, outputs = open_model(self.path, {"features": features[None]})
        self._open = partial(type(self), folder, actions=actions, features=features)
        shapes = [output.shape if isinstance(output, np.ndarray) else () for output in outputs]
        expected = [(1, actions), (1, actions), (1, 1)]
        if shapes != expected:
            raise PolicyFormatError(
                f"{self.path}: its outputs have the shapes {shapes[:4]}, not {expected}: accuracy and "
                f"cost of {actions} actions, and familiarity"
            )
        with Refusing(self.path, "it cannot predict"):
            finite = all(np.isfinite(values).all() for values in outputs)
        if not finite:
            raise PolicyFormatError(f"{self.path}: what it expects of a question is not finite")

    def __reduce__(self) -> tuple[Any, ...]:
        return self._open, ()

    def predict(self, features: Matrix) -> tuple[Floats, Floats, Floats]:
        """Expected accuracy (m, k), expected cost (m, k) and familiarity (m,) for features of m questions.

        A question whose prediction is not finite is not familiar at all.
        """
        with Refusing(self.path, "it cannot predict"):
            accuracy, cost, familiarity = (
                values.astype(float) for values in self._session.run(None, {"features": features})
            )
            known = np.isfinite(np.hstack([accuracy, cost, familiarity])).all(axis=1)
            return accuracy, np.maximum(cost, 0.0), np.where(known, familiarity[:, 0], -np.inf)
