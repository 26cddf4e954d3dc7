"""ONNX models of a policy folder, opened so that a damaged or hostile one is refused."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from threading import Event, Lock, Thread, get_ident
from typing import Any

from numpy.typing import NDArray

from adaptive_reasoner.policy.folder.onnx_structure import check_structure
from adaptive_reasoner.policy.folder.regular_files import Refusing, open_regular

MODEL_BYTES = 2**31
"""The most bytes of a model: onnxruntime reads no larger ones."""

TRIAL_BYTES = 64 * 2**20
"""The most memory that a model may take for its results while it is tried, beside its weights."""

TRIAL_SECONDS = 1.0
"""The longest a model may compute while it is tried."""

_FOLDING = ("ConstantFolding",)  # computes at opening, without bounds, and saves no time afterwards
_LOOK_SECONDS = 0.05  # between looks at how long a trial has computed
_arena = Lock()


def open_model(path: Path, inputs: Mapping[str, NDArray[Any]]) -> tuple[Any, list[NDArray[Any]]]:
    """An onnxruntime session on the CPU, once the model has been tried.

    The model is first run on `inputs` by a session with at most `TRIAL_BYTES` and `TRIAL_SECONDS`.

    Args:
        path: The file.
        inputs: What to try it on, by name.

    Returns:
        The session, and what the model answered in the trial.

    Raises:
        PolicyFormatError: The file is no model, holds what it may not hold, or could not do the trial.
    """
    with (
        open_regular(path, at_most=MODEL_BYTES) as file,
        Refusing(path, "it is no model of a policy"),
        mmap(file.fileno(), 0, access=ACCESS_READ) as data,
    ):
        check_structure(data)
    outputs = _try(path, inputs)
    with Refusing(path, "onnxruntime cannot open it"):
        return _session(path, _options()), outputs


def _try(path: Path, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    import onnxruntime

    options = _options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    options.add_session_config_entry("session.disable_prepacking", "1")
    with Refusing(path, "onnxruntime cannot open it"), _arena:
        _share_arena(TRIAL_BYTES)
        try:
            session = _session(path, options)
        finally:
            _share_arena(0)  # without a bound, for other users of it
    running = onnxruntime.RunOptions()
    running.log_severity_level = 4
    with (
        Refusing(path, f"it cannot be run within {TRIAL_SECONDS:g} s and {TRIAL_BYTES:,} bytes"),
        _stopped_in_time(running),
    ):
        outputs: list[NDArray[Any]] = session.run(None, dict(inputs), running)
        return outputs


@contextmanager
def _stopped_in_time(running: Any) -> Iterator[None]:
    """End a run of this thread once it has computed for `TRIAL_SECONDS`, whatever else the machine does."""
    thread, over = get_ident(), Event()

    def computed() -> float:
        if hasattr(time, "pthread_getcpuclockid"):
            return time.clock_gettime(time.pthread_getcpuclockid(thread))
        return time.monotonic()

    start = computed()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            if computed() - start > TRIAL_SECONDS:
                running.terminate = True

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _options() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised
    return options


def _session(path: Path, options: Any) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(
        str(path),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=list(_FOLDING),
        enable_fallback=0,  # which would print, and try the same again
    )


def _share_arena(most: int) -> None:
    """Set the arena that sessions opened from now on share; those open already keep theirs."""
    import onnxruntime

    onnxruntime.create_and_register_allocator(
        onnxruntime.OrtMemoryInfo(
            "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
        ),
        onnxruntime.OrtArenaCfg({"max_mem": most, "arena_extend_strategy": 1}),
    )
