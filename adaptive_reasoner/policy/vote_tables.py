"""What a policy folder holds about votes: the tables behind a priced stop, read from `stopping.onnx`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adaptive_reasoner.action_names import source_of_action
from adaptive_reasoner.arrays import Floats
from adaptive_reasoner.errors import PolicyFormatError
from adaptive_reasoner.policy.folder.onnx_models import open_model
from adaptive_reasoner.policy.folder.regular_files import Refusing
from adaptive_reasoner.strategies.optimal_stopping import VoteModel

STOP_MODEL = "stopping.onnx"
_STATE_BYTES = 12  # of a state in the file: three chances in float32


def read_vote_models(folder: Path, sources: Mapping[str, Mapping[str, Any]]) -> dict[str, VoteModel]:
    """The prospects of votes on each source.

    Args:
        folder: Of the policy.
        sources: The fields of its card for each: `limit`, `cost`, `seconds`, `accepted`, `prompt_cost`,
            `samples_per_request`, `unanswered` and `tilt`.

    Raises:
        PolicyFormatError: The model does not return probabilities of the declared sizes.
    """
    path = folder / STOP_MODEL
    sizes = {source: int(fields["limit"]) + 1 for source, fields in sources.items()}
    session, _ = open_model(path, {"features": np.zeros((1, 4), dtype=np.float32)})
    held = path.stat().st_size
    if _STATE_BYTES * sum(size**3 for size in sizes.values()) > held:
        raise PolicyFormatError(
            f"{path}: its {held:,} bytes cannot hold the chances of {max(sizes.values()) - 1} votes"
        )
    found = {}
    for number, (source, fields) in enumerate(sources.items()):
        size = sizes[source]
        with Refusing(path, "it cannot be run"):
            right, top, second = _tables(session, number, size)
        if not all(((table >= 0) & (table <= 1)).all() for table in (right, top, second)):
            raise PolicyFormatError(f"{path}: its chances are not probabilities; train again")
        if fields.get("unanswered") is None:  # votes of version 0.1.0 end here, whatever its tables say
            top[2:, 0, 0] = second[2:, 0, 0] = 0.0
        accepted, tilt = fields.get("accepted"), fields.get("tilt")
        found[source] = VoteModel(
            right,
            top,
            second,
            accepted=None if accepted is None else np.array(accepted, dtype=np.float64),
            cost=fields.get("cost"),
            seconds=fields.get("seconds"),
            prompt_cost=fields.get("prompt_cost", 0.0),
            samples_per_request=fields.get("samples_per_request", 1),
            tilt=None if tilt is None else (float(tilt[0]), float(tilt[1]), float(tilt[2])),
        )
    return found


def _tables(session: Any, number: int, size: int) -> Floats:
    """The three tables of a source, asked for one number of samples after another to keep memory low."""
    tables = np.empty((3, size, size, size))
    votes = np.indices((size, size)).reshape(2, -1).T
    states = np.column_stack([np.full((size * size, 2), number), votes]).astype(np.float32)
    for drawn in range(size):
        states[:, 1] = drawn
        (chances,) = session.run(["chances"], {"features": states})
        tables[:, drawn] = chances.T.reshape(3, size, size)
    return tables


def source_of(action: str, menu: Mapping[str, Any], sources: Mapping[str, Any]) -> str | None:
    """Which source an action samples: as the menu says, else the one that its name begins with.

    Example:
        >>> source_of("cot_vote_5", {}, {"co": {}, "cot": {}})
        'cot'
    """
    spec = menu.get("actions", menu).get(action, {})
    if spec.get("source") in sources:
        return str(spec["source"])
    return source_of_action(action, sources)
