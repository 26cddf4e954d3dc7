"""Labels on a page in the browser: answers side by side, their sources hidden, each label written at once."""

import html
import json
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from string import Template
from typing import Any
from urllib.parse import parse_qs, urlsplit

from adaptive_reasoner import pages
from adaptive_reasoner.console import to_json
from adaptive_reasoner.errors import OutcomesError
from adaptive_reasoner.kit.labelling.session import LabelSession
from adaptive_reasoner.kit.regrading.graded_rows import Label
from adaptive_reasoner.pages.loopback import LONGEST, LoopbackHandler, LoopbackPage, LoopbackServer


class LabelServer(LoopbackPage):
    """The page where a person labels the questions of a session.

    `/TOKEN/` is the page, with a token in it that only those know who are shown the address; `question.json`
    beside it is a question, and `label.json` takes labels. Only this machine is served, under its own name.

    Args:
        session: The questions; each label is written at once.
        port: Of 127.0.0.1; a free one if 0.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, session: LabelSession, *, port: int = 0) -> None:
        server = _Server(session, port)
        super().__init__(server, f"{server.token}/")


class _Server(LoopbackServer):
    daemon_threads = False  # a label that is being written is written to the end

    def __init__(self, session: LabelSession, port: int) -> None:
        super().__init__(_Handler, port)
        self.session, self.token = session, secrets.token_urlsafe(16)


class _Handler(LoopbackHandler):
    server: _Server
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server asks for
        """Answer one of four addresses."""
        name = self._asked_for()
        if name == "question.json":
            self._send_question()
        elif name == "":
            self.send(page(self.server.session), "html")
        elif name == "label.css":
            self.send(pages.style() + pages.asset(__package__, name), "css")
        elif name == "label.js":
            self.send(pages.theme_script() + pages.asset(__package__, name), "js")
        elif name is not None:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server asks for
        """Take a label from the page itself: from no other page, and no form."""
        name = self._asked_for()
        if name is None:
            return
        origin = self.headers.get("Origin")
        if name != "label.json":
            self.send_error(HTTPStatus.NOT_FOUND)
        elif self.headers.get_content_type() != "application/json" or (
            origin is not None and origin.removeprefix("http://") not in self.server.names
        ):
            self.send_error(HTTPStatus.FORBIDDEN)
        else:
            self._take(self._body())

    def _asked_for(self) -> str | None:
        """The name behind the token; None for another server or token, which has its answer then."""
        if self.is_misdirected():
            return None
        _, token, *rest = [*urlsplit(self.path).path.split("/"), ""]
        if not secrets.compare_digest(token.encode(), self.server.token.encode()) or len(rest) != 2:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return rest[0]

    def _send_question(self) -> None:
        """The question at a place (`?at=`), or the first one without a label from a place on (`?from=`)."""
        session, query = self.server.session, parse_qs(urlsplit(self.path).query)
        at = _place(query, "at", len(session.questions) - 1)
        if at is None:
            at = session.first_open(_place(query, "from", len(session.questions)) or 0)
        self.send(to_json(_shown(session, at)), "json")

    def _body(self) -> dict[str, Any]:
        """The JSON object of the request; empty if it holds none."""
        try:
            length = min(int(self.headers.get("Content-Length", "")), LONGEST)
            body = json.loads(self.rfile.read(length))
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}

    def _take(self, asked: Mapping[str, Any]) -> None:
        session, at, before = self.server.session, asked.get("at"), asked.get("instead_of")
        if type(at) is not int or not 0 <= at < len(session.questions) or not _has_gold(asked):
            self._refuse(HTTPStatus.BAD_REQUEST, "this is no label of a question here")
            return
        drawn = session.questions[at].drawn
        known = Label(before["gold"], drawn) if isinstance(before, dict) and _has_gold(before) else None
        try:
            taken = session.give(at, asked["gold"], instead_of=known)
        except (OutcomesError, OSError) as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"not written: {error}")
            return
        if taken:
            self.send(to_json(_shown(session, at)), "json")
        else:
            self._refuse(
                HTTPStatus.CONFLICT, "this question was labelled in another window; that label stays"
            )

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.send(to_json({"error": reason}), "json", status)


def page(session: LabelSession) -> str:
    """The page, without a question yet."""
    return Template(pages.asset(__package__, "label.html")).substitute(file=html.escape(session.path.name))


def _shown(session: LabelSession, at: int | None) -> dict[str, Any]:
    """A question as the page shows it: nothing tells which source gave an answer, or how many."""
    progress = {"labelled": len(session.given), "of": len(session.questions)}
    if at is None:
        return {"at": None, **progress}
    question, label = session.questions[at], session.given.get(session.questions[at].question_id)
    return {
        "at": at,
        **progress,
        "question": question.question,
        "group": question.group,
        "answers": [each.answer for each in question.answers],
        "label": None if label is None else {"gold": label.gold},
    }


def _has_gold(label: Mapping[str, Any]) -> bool:
    gold = label.get("gold", "")
    return gold is None or (isinstance(gold, str) and gold.strip() != "")


def _place(query: Mapping[str, list[str]], name: str, most: int) -> int | None:
    try:
        at = int(query[name][0])
    except (KeyError, ValueError):
        return None
    return at if 0 <= at <= most else None
