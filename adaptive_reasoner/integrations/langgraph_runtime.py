"""What a node asks of LangGraph: the keys of its state, the run it belongs to, the stream of events."""

import hashlib
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.channels.binop import BinaryOperatorAggregate
from langgraph.config import get_stream_writer
from langgraph.graph import StateGraph
from langgraph.runtime import ExecutionInfo, RunControl, Runtime, get_runtime

REMEMBERED = 4_096  # runs of this process whose name is kept, the latest ones

_names: OrderedDict[int, tuple[RunControl, str]] = OrderedDict()
_naming = threading.Lock()


def attach(
    node: Runnable[Any, Any],
    builder: StateGraph[Any, Any, Any, Any],
    keys: tuple[str | None, ...],
    node_options: Mapping[str, Any],
) -> StateGraph[Any, Any, Any, Any]:
    """Add a node to a graph under its name.

    Raises:
        KeyError: The graph's state lacks one of the keys, whose value LangGraph would drop without a word.
    """
    own = node_options.get("input_schema")  # keys that only this node is sent, as by `Send`
    known = {*builder.channels, *(get_type_hints(own) if own else ())}
    missing = sorted({key for key in keys if key} - known)
    if missing:
        raise KeyError(f"{node.name}: the graph's state lacks {missing}; it has {sorted(known)}")
    return builder.add_node(str(node.name), node, **node_options)


def says_text(builder: StateGraph[Any, Any, Any, Any], key: str) -> bool | None:
    """Whether the state declares text under a key, or a list; None where it declares neither, or either.

    Example:
        >>> from langgraph.graph import MessagesState
        >>> class State(MessagesState):
        ...     reply: str | None
        ...     anything: object
        >>> [says_text(StateGraph(State), key) for key in ("reply", "messages", "anything")]
        [True, False, None]
    """
    kinds = set(_kinds(builder.channels[key].ValueType))
    text, listed = str in kinds, bool(kinds & {list, Sequence})
    return None if text == listed else text


def takes_list(builder: StateGraph[Any, Any, Any, Any], key: str) -> bool:
    """Whether what is written under a key has to be a list: the state declares one, or joins those it gets.

    Example:
        >>> import operator
        >>> from typing import TypedDict
        >>> class State(TypedDict):
        ...     last: dict
        ...     listed: list[dict]
        ...     joined: Annotated[list[dict], operator.add]
        ...     appended: Annotated[list[dict], lambda before, new: [*before, new]]
        >>> [takes_list(StateGraph(State), key) for key in ("last", "listed", "joined", "appended")]
        [False, True, True, False]
    """
    channel = builder.channels[key]
    if not isinstance(channel, BinaryOperatorAggregate):
        return says_text(builder, key) is False
    try:
        return bool(channel.operator([], [{}]) == [{}])
    except (TypeError, ValueError, LookupError, AttributeError):  # it takes something else than lists
        return False


def _kinds(declared: Any) -> Iterator[Any]:
    """The plain types that a declared type allows."""
    origin = get_origin(declared)
    if origin is Annotated:
        yield from _kinds(get_args(declared)[0])
    elif origin in (Union, UnionType):
        for part in get_args(declared):
            yield from _kinds(part)
    else:
        yield origin or declared


def read(state: Any, key: str) -> Any:
    """The value under a key of any kind of state; None where there is none.

    >>> read({"question": "5 + 9?"}, "question")
    '5 + 9?'
    """
    return state.get(key) if isinstance(state, Mapping) else getattr(state, key, None)


def execution() -> ExecutionInfo | None:
    """Which task of which graph this is; None outside a graph."""
    runtime = _runtime()
    return runtime.execution_info if runtime else None


def context() -> Any:
    """The runtime context of the run, in whatever schema the graph has; None where there is none."""
    runtime = _runtime()
    return runtime.context if runtime else None


def _runtime() -> Runtime[Any] | None:
    try:
        return get_runtime()
    except (RuntimeError, KeyError):
        return None


def run_control() -> RunControl | None:
    """What the nodes of one graph run share, its subgraphs included; None outside a graph."""
    runtime = _runtime()
    return runtime.control if runtime else None


def run_of(config: RunnableConfig) -> str | None:
    """The name of the graph run this node works for: one question, with all nodes, loops and subgraphs.

    It is the run id where the caller gave one, as LangGraph's server does. Where not, LangGraph names no run,
    but the nodes of one run, its subgraphs included, share one `RunControl`, and its name is remembered here.
    A run that was interrupted and goes on later is another run: only its state knows that it is the same
    question, which is where `BudgetLedgerNode` keeps it.

    Returns:
        The name; None outside a graph.

    >>> run_of({}) is None
    True
    """
    info = execution()
    if info is None:
        return None
    given = info.run_id or config.get("metadata", {}).get("run_id")
    control = get_runtime().control
    if control is None:
        return str(given or info.task_id)
    with _naming:
        # Kept alive beside its name, so that no later run's control can have the same identity.
        _, name = _names.setdefault(id(control), (control, str(given or uuid.uuid4().hex)))
        _names.move_to_end(id(control))
        while len(_names) > REMEMBERED:
            _names.popitem(last=False)
    return name


def question_of_run(run: str, state: Any, key: str | None) -> str:
    """The question that a state asks in a run: the run itself, or what a state key says of its own.

    Raises:
        ValueError: The state has nothing under the key.

    >>> question_of_run("run", {"item": "5 + 9?"}, None)
    'run'
    >>> one, other = (question_of_run("run", {"item": item}, "item") for item in ("5 + 9?", "7 + 8?"))
    >>> one == question_of_run("run", {"item": "5 + 9?"}, "item"), one == other
    (True, False)
    """
    if key is None:
        return run
    value = read(state, key)
    if value is None:
        raise ValueError(f"the state has no question under {key!r}, the question_key")
    if isinstance(value, list | tuple):
        value = "\n".join(str(getattr(part, "text", part)) for part in value)
    name = hashlib.sha256(str(getattr(value, "text", value)).encode(errors="surrogatepass")).hexdigest()[:16]
    return f"{run}:{name}"


def write_stream_event(event: Mapping[str, Any]) -> None:
    """Send a custom stream event, where there is a graph to stream it."""
    try:
        writer = get_stream_writer()
    except (RuntimeError, KeyError):
        return
    writer({"type": "adaptive_reasoner", **event})
