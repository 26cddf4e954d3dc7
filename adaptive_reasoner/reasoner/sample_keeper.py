"""Keeps samples beside an answer that stands, whatever becomes of the log."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from adaptive_reasoner.models.messages import decision_text
from adaptive_reasoner.models.source import Messages
from adaptive_reasoner.reasoner.sample_log import SampleLog

_logger = logging.getLogger(__name__)


class SampleKeeper:
    """Writes samples to a log; one that fails is a warning and an event, and the answer stands.

    Args:
        log: Where the samples go.
        name: Of what answers, for messages.

    Attributes:
        failed: Whether the log has failed.
    """

    def __init__(self, log: SampleLog, name: str) -> None:
        self.log, self.name, self.failed = log, name, False

    def keep(
        self,
        question: str,
        decision: Mapping[str, Any],
        samples: Sequence[dict[str, Any]],
        features: Mapping[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """Write the samples of a question, also if it has no answer.

        Returns:
            The event of a log that failed.
        """
        if not samples:
            return None
        try:
            self.log.write(question, decision, list(samples), features)
        except Exception as error:  # noqa: BLE001 - a disk, or a user's `redact`; the answer is paid for and stands
            return self._failed(error, len(samples))
        return None

    def _failed(self, error: Exception, samples: int) -> dict[str, Any]:
        why = f"{type(error).__name__}: {error}"
        warning = f"{self.name}: {samples} samples were not logged: {why}"
        _logger.warning(warning)
        if not self.failed:
            self.failed = True
            with suppress(UserWarning):  # where warnings are made errors, the answer stands all the same
                warnings.warn(warning, stacklevel=2)
        return {"event": "log_failed", "samples": samples, "error": why}


class QuestionSamples:
    """The decision and the samples of one question, kept once it is over.

    Args:
        keeper: Writes them down; None keeps nothing.
        messages: The conversation.
        about: The text that is decided on, where it is not that of the conversation.
        on_event: Is passed every event.
    """

    def __init__(
        self,
        keeper: SampleKeeper | None,
        messages: Messages,
        about: str | None,
        *,
        on_event: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self._keeper, self._messages, self._about, self._listener = keeper, messages, about, on_event
        self._decision: dict[str, Any] = {}
        self._samples: list[dict[str, Any]] = []
        self.failed: dict[str, Any] | None = None  # the event of a log that failed
        self.writes_at_once = keeper is None or keeper.log.path is None

    @property
    def on_event(self) -> Callable[[dict[str, Any]], None] | None:
        """Who is told of the events of the question."""
        return self._listener if self._keeper is None else self._note

    def write(self) -> None:
        """Write the samples, also if the question has no answer."""
        if self._keeper is not None and self._samples:
            about = decision_text(self._messages) if self._about is None else self._about
            self.failed = self._keeper.keep(about, self._decision, self._samples)

    def _note(self, event: dict[str, Any]) -> None:
        if event["event"] == "decision":
            self._decision = event
        elif event["event"] == "sample" and not event["auxiliary"]:  # what a judge says is no sample
            self._samples.append(event)
        if self._listener is not None:
            self._listener(event)
