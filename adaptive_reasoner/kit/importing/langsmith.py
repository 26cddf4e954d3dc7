"""Replies in the runs of LangSmith: exported as JSON or Parquet, or read through its client."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.importing.base import (
    GRADES,
    READ_AS_TABLE,
    Fields,
    Found,
    LeftOut,
    LoggedReply,
    number_of,
    text_of,
    those_in,
)
from adaptive_reasoner.kit.importing.chats import conversation, decoded, message_of, reply_of, usage_in
from adaptive_reasoner.kit.importing.openai_logs import replies_of

_ASKED = ("messages", "question", "input", "query", "prompt", "prompts", "text", "inputs")
_ANSWERED = (
    "generations",
    "messages",
    "output",
    "answer",
    "result",
    "response",
    "text",
    "content",
    "message",
)
_RIGHT = ("answer", "output", "gold", "expected", "label", "result", "response", "reference")
_NO_MODELS = ("tool", "retriever", "embedding", "prompt", "parser")
_PARTS = (
    "inputs",
    "outputs",
    "extra",
    "feedback_stats",
    "feedback",
    "reference_example",
    "reference_outputs",
)
_INNER = LeftOut("a step inside another run; --runs llm takes the calls of models instead")
_UNFINISHED = LeftOut("a run that is not finished")
_LATE = LeftOut("feedback that was read after its run: give the file of feedback first")
_OF_NONE = LeftOut("feedback on a run that is not in the files")


@dataclass
class LangSmithReader:
    """Makes replies of runs.

    Args:
        fields: The fields that are named, as paths into a run; `correct` and `score` may name feedback.
        runs: `"root"` takes whole traces, `"llm"` the calls of models within them.
    """

    fields: Fields
    runs: str = "root"
    _given: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)  # feedback, by run
    _read: set[str] = field(default_factory=set)

    def read(self, run: Mapping[str, Any]) -> Iterable[Found]:
        """The replies in a run and in the runs within it, or none in feedback, which is kept for its run.

        Raises:
            ValueError: It is no run; it names the field.
        """
        if isinstance(run.get("runs"), list) and "inputs" not in run:  # a page of results of the API
            for each in run["runs"]:
                yield from self.read(each)
            return
        if "inputs" not in run and "key" in run and run.get("run_id"):
            yield from self._keep(run)
            return
        yield from self._of_run(run, inner=bool(run.get("parent_run_id")))

    def finish(self) -> Iterable[Found]:
        """Feedback whose run was in no log."""
        return [_OF_NONE] * sum(len(given) for name, given in self._given.items() if name not in self._read)

    def _keep(self, feedback: Mapping[str, Any]) -> Iterator[Found]:
        of = str(feedback["run_id"])
        if of in self._read:
            yield _LATE
        else:
            self._given.setdefault(of, []).append(feedback)

    def _of_run(self, run: Mapping[str, Any], *, inner: bool) -> Iterator[Found]:
        if "inputs" not in run or not ("id" in run or "run_id" in run or "run_type" in run):
            raise ValueError(
                f"there is no inputs and id: not a run of LangSmith; there are {those_in(run)}; "
                f"{READ_AS_TABLE}"
            )
        run = {**run, **{name: decoded(run[name]) for name in _PARTS if name in run}}
        kind, name = run.get("run_type"), str(run.get("id") or run.get("run_id"))
        self._read.add(name)
        if name in self._given:
            run["feedback"] = [*_feedback(run), *self._given[name]]
        if kind in _NO_MODELS or (self.runs == "llm" and kind != "llm"):
            yield LeftOut(f"a run of type {kind}, which is no call of a model")
        elif self.runs == "root" and inner:
            yield _INNER
        else:
            yield from self._replies(run)
        for child in decoded(run.get("child_runs")) or ():
            if isinstance(child, Mapping):
                yield from self._of_run(child, inner=True)

    def _replies(self, run: Mapping[str, Any]) -> Iterator[Found]:
        question = self.fields.asked(run, asked_in_inputs(run.get("inputs")))
        if isinstance(question, LeftOut):
            yield question
            return
        error = text_of(run.get("error"))
        answer = self.fields.text(run, "answer")
        messages = [AIMessage(answer)] if answer is not None else replies_in_outputs(run.get("outputs"))
        if error is None and not messages:
            yield _UNFINISHED if run.get("outputs") is None else LeftOut("no text of the reply was recorded")
            return
        for message in [None] if error is not None else messages:
            yield self._reply(run, question, message, error, len(messages))

    def _reply(
        self,
        run: Mapping[str, Any],
        question: str,
        message: AIMessage | None,
        error: str | None,
        of_request: int,
    ) -> LoggedReply:
        metadata, invoked = _inside(run, "extra", "metadata"), _inside(run, "extra", "invocation_params")
        own = message.response_metadata if message is not None else {}
        called = metadata.get("ls_model_name") or invoked.get("model") or invoked.get("model_name")
        called = called or _inside(run, "inputs").get("model")
        name = own.get("model_name") or own.get("model") or called
        if message is not None:
            seller = metadata.get("ls_provider")
            more = {"model_name": name, **({"model_provider": seller} if seller else {})} if name else {}
            message = message.model_copy(
                update={"usage_metadata": _usage(run, message), "response_metadata": {**own, **more}}
            )
        scores = _scores(run)
        reply = LoggedReply(
            question,
            message,
            source=text_of(called or name) or text_of(run.get("name")),
            call_id=text_of(run.get("id") or run.get("run_id")),
            gold=_reference(run) or _correction(run),
            correct=self.fields.graded("correct", GRADES, scores),
            score=self.fields.graded("score", (), scores),
            cost=number_of(run.get("total_cost"), "total_cost", most=inf)
            or None,  # 0 where no price is known
            cost_unit="usd",
            of_request=max(1, of_request),
            seconds=_seconds(run),
            error=error,
            propensity=number_of(metadata.get("propensity"), "metadata.propensity", most=1.0),
            action=text_of(metadata.get("adaptive_action")),
            policy_id=text_of(metadata.get("policy_id")),
        )
        return self.fields.applied(run, reply)


def langsmith_runs(
    project: str, *, client: Any = None, runs: str = "root", limit: int | None = None
) -> Iterator[Any]:
    """The runs of a project, each with the outputs of its reference example where it has one.

    Args:
        project: Its name.
        client: A `langsmith.Client`; by default one with the key and endpoint of the environment.
        runs: `"root"` or `"llm"`.
        limit: The most runs; the latest come first.

    Raises:
        OutcomesError: There is no key, or LangSmith does not answer or has no such project.
    """
    from langsmith import Client
    from langsmith.utils import LangSmithError, get_api_key

    if client is None:
        if not get_api_key(None):
            reason = "there is no key for LangSmith: set LANGSMITH_API_KEY, or export the runs to a file"
            raise OutcomesError(reason, file=f"langsmith://{project}")
        client = Client()
    which = {"is_root": True} if runs == "root" else {"run_type": runs}
    references = dict[str, Any]()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # its successor is not in all versions
            for run in client.list_runs(project_name=project, limit=limit, **which):
                found = plain_run(run)
                example = found.get("reference_example_id")
                if example:
                    if example not in references:
                        references[example] = client.read_example(example).outputs
                    found["reference_outputs"] = references[example]
                yield found
    except (LangSmithError, OSError) as error:
        reason = f"LangSmith cannot be read: {' '.join(str(error).split())}"
        raise OutcomesError(reason, file=f"langsmith://{project}") from error


def asked_in_inputs(inputs: Any) -> list[BaseMessage]:
    """The conversation that the inputs of a run hold; empty if they hold none.

    Example:
        >>> asked_in_inputs({"messages": [["human", "6 * 7?"]]})[0].text
        '6 * 7?'
    """
    inputs = decoded(inputs)
    if not isinstance(inputs, Mapping):
        return conversation(inputs)
    for name in _ASKED:
        value = decoded(inputs.get(name))
        if name == "prompts" and isinstance(value, list):
            value = next((each for each in value if isinstance(each, str)), None)
        found = (
            asked_in_inputs(value)
            if isinstance(value, Mapping) and not _is_message(value)
            else conversation(value)
        )
        if found:
            return found
    texts = [value for value in inputs.values() if isinstance(value, str) and value.strip()]
    return [HumanMessage(texts[0])] if len(texts) == 1 else []


def replies_in_outputs(outputs: Any) -> list[AIMessage]:
    """The replies that the outputs of a run hold: several where one request asked for several.

    Example:
        >>> replies_in_outputs({"output": {"role": "assistant", "content": "42"}})[0].text
        '42'
    """
    outputs = decoded(outputs)
    if isinstance(outputs, str):
        return [AIMessage(outputs)] if outputs.strip() else []
    if isinstance(outputs, Sequence):
        reply = reply_of(conversation(outputs))
        return [] if reply is None else [reply]
    if not isinstance(outputs, Mapping):
        return [] if outputs is None else [AIMessage(text_of(outputs) or "")]
    if isinstance(outputs.get("choices"), list) or _is_response(outputs):
        return replies_of(outputs)
    if _is_message(outputs):
        message = message_of(outputs, "assistant")
        return [message] if isinstance(message, AIMessage) else []
    for name in _ANSWERED:
        value = decoded(outputs.get(name))
        if name == "generations" and isinstance(value, list):
            found = _generated(value, outputs)
        else:
            found = replies_in_outputs(value)
        if found:
            usage = usage_in(outputs.get("usage_metadata") or outputs.get("usage"))
            alone = [
                each.model_copy(update={"usage_metadata": each.usage_metadata or usage}) for each in found
            ]
            return alone if usage else found
    values = [value for value in outputs.values() if isinstance(value, str | int | float) and text_of(value)]
    return [AIMessage(text_of(values[0]) or "")] if len(values) == 1 else []


def _generated(generations: list[Any], outputs: Mapping[str, Any]) -> list[AIMessage]:
    """The replies that LangChain's models generated for one conversation."""
    flat = generations[0] if generations and isinstance(generations[0], list) else generations
    told = _inside(outputs, "llm_output")
    found = []
    for each in flat:
        if not isinstance(each, Mapping):
            continue
        message = (
            message_of(each["message"], "assistant") if isinstance(each.get("message"), Mapping) else None
        )
        if not isinstance(message, AIMessage):
            message = AIMessage(str(each.get("text") or ""))
        metadata = {**_inside(each, "generation_info"), **message.response_metadata}
        if told.get("model_name"):
            metadata.setdefault("model_name", told["model_name"])
        usage = message.usage_metadata or usage_in(told.get("token_usage") or told.get("usage"))
        found.append(message.model_copy(update={"response_metadata": metadata, "usage_metadata": usage}))
    return found


def _usage(run: Mapping[str, Any], message: AIMessage) -> Any:
    """The usage of a whole run, which has that of all calls within it; else that of the reply."""
    counts = {
        "input_tokens": run.get("prompt_tokens", run.get("input_tokens")),
        "output_tokens": run.get("completion_tokens", run.get("output_tokens")),
        "total_tokens": run.get("total_tokens"),
        "input_token_details": decoded(run.get("prompt_token_details")) or {},
        "output_token_details": decoded(run.get("completion_token_details")) or {},
    }
    whole = usage_in(counts)
    return whole if whole and whole["total_tokens"] else message.usage_metadata


def _reference(run: Mapping[str, Any]) -> str | None:
    """The right answer that a reference example gives."""
    example = run.get("reference_example")
    outputs = run.get("reference_outputs") or (
        example.get("outputs") if isinstance(example, Mapping) else None
    )
    return _right(outputs)


def _correction(run: Mapping[str, Any]) -> str | None:
    """The right answer that feedback gives."""
    return next((right for each in _feedback(run) if (right := _right(each.get("correction")))), None)


def _right(outputs: Any) -> str | None:
    outputs = decoded(outputs)
    if not isinstance(outputs, Mapping):
        return text_of(outputs)
    named = next((outputs[name] for name in _RIGHT if name in outputs), None)
    if named is None and len(outputs) == 1:
        named = next(iter(outputs.values()))
    if isinstance(named, Mapping | list):
        replies = replies_in_outputs(named)
        return replies[-1].text if replies else None
    return text_of(named)


def _scores(run: Mapping[str, Any]) -> dict[str, Any]:
    """The mean score of each key of feedback."""
    stats = _inside(run, "feedback_stats")
    scores = {key: told.get("avg") if isinstance(told, Mapping) else told for key, told in stats.items()}
    given: dict[str, list[float]] = {}
    for each in _feedback(run):
        score = each.get("score")
        if isinstance(score, int | float) and (number := number_of(score, "score")) is not None:
            given.setdefault(str(each.get("key")), []).append(number)
    return {**scores, **{key: sum(several) / len(several) for key, several in given.items()}}


def _feedback(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = run.get("feedback")
    return [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []


def _inside(run: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """A nested part of a run; empty where it has none."""
    value: Any = run
    for name in path:
        value = decoded(value.get(name)) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _seconds(run: Mapping[str, Any]) -> float | None:
    begin, end = _time(run.get("start_time")), _time(run.get("end_time"))
    took = number_of(run.get("latency"), "latency") if isinstance(run.get("latency"), int | float) else None
    if begin is None or end is None or (begin.tzinfo is None) != (end.tzinfo is None):
        return took
    return max(0.0, (end - begin).total_seconds())


def _time(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and (
        ("role" in value and ("content" in value or "parts" in value))
        or value.get("lc") is not None
        or ("type" in value and ("content" in value or "data" in value))
    )


def _is_response(value: Mapping[str, Any]) -> bool:
    """Whether it is one of OpenAI's Responses."""
    return value.get("object") == "response" and isinstance(value.get("output"), list)


def plain_run(run: Any) -> Any:
    """A run as plain data; anything else as it is."""
    if hasattr(run, "model_dump"):
        return run.model_dump(mode="json", exclude={"child_runs", "attachments"})
    return run
