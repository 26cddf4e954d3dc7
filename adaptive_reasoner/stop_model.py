"""What a policy folder says of votes: the tables behind a priced stop, read from `stopping.onnx`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.features import open_session
from adaptive_reasoner.prospects import Prospects

STOP_MODEL = "stopping.onnx"


def read_prospects(folder: Path, sources: Mapping[str, Mapping[str, Any]]) -> dict[str, Prospects]:
    """The prospects of votes on each source.

    Args:
        folder: Of the policy.
        sources: What its card says of each: `limit`, `cost`, `seconds`, `accepted`, `prompt_cost`,
            `samples_per_request` and `tilt`.

    Raises:
        PolicyFormatError: The model does not say what it should.
    """
    session = open_session(folder / STOP_MODEL)
    found = {}
    for number, (source, said) in enumerate(sources.items()):
        size = int(said["limit"]) + 1
        states = np.indices((size,) * 3).reshape(3, -1).T
        features = np.column_stack([np.full(len(states), number), states]).astype(np.float32)
        (chances,) = session.run(["chances"], {"features": features})
        if chances.shape != (len(states), 3) or not ((chances >= 0) & (chances <= 1)).all():
            raise PolicyFormatError(f"{folder / STOP_MODEL}: its chances are no probabilities; train again")
        right, top, second = chances.T.reshape(3, size, size, size).astype(np.float64)
        accepted, tilt = said.get("accepted"), said.get("tilt")
        found[source] = Prospects(
            right,
            top,
            second,
            accepted=None if accepted is None else np.array(accepted, dtype=np.float64),
            cost=said.get("cost"),
            seconds=said.get("seconds"),
            prompt_cost=said.get("prompt_cost", 0.0),
            samples_per_request=said.get("samples_per_request", 1),
            tilt=None if tilt is None else (float(tilt[0]), float(tilt[1]), float(tilt[2])),
        )
    return found


def source_of(action: str, menu: Mapping[str, Any], sources: Mapping[str, Any]) -> str | None:
    """Which source an action samples: as the menu says, else the one that its name begins with.

    Example:
        >>> source_of("cot_vote_5", {}, {"co": {}, "cot": {}})
        'cot'
    """
    spec = menu.get("actions", menu).get(action, {})
    if spec.get("source") in sources:
        return str(spec["source"])
    named = [source for source in sources if action == source or action.startswith(f"{source}_")]
    return max(named, key=len, default=None)
