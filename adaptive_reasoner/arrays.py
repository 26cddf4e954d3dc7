"""Names for the arrays that the library computes with."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]
Matrix = NDArray[np.float32]
"""Features and vectors as the ONNX models take them."""

Texts = NDArray[np.object_]
"""Strings, or None where there is none."""
