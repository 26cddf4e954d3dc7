"""Serve the page on 127.0.0.1 with the standard library: one reader of a ledger, a handful of viewers."""

import html
import threading
from http import HTTPStatus
from string import Template
from typing import Any
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from adaptive_reasoner import pages
from adaptive_reasoner.console import number, to_json
from adaptive_reasoner.ledger.sql.reader import LedgerReader
from adaptive_reasoner.pages.loopback import LoopbackHandler, LoopbackPage, LoopbackServer
from adaptive_reasoner.watch.poller import Poller


class WatchServer(LoopbackPage):
    """The live page of a ledger, and its JSON beside it.

    `/` is the page, `/ledger.json` what was seen so far (`?since=SECONDS` for the news alone). Only this
    machine is served, under its own name: a page of the web that points its own name here is refused.

    Args:
        reader: The ledger.
        port: Of 127.0.0.1; a free one if 0.
        every: Seconds between two looks.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, reader: LedgerReader, *, port: int = 0, every: float = 1.0) -> None:
        self.looks = Poller(reader, every=every)
        super().__init__(_Server(self.looks, port))
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._keep_looking, name="ledger-watch", daemon=True)

    @override
    def run(self) -> None:
        """Serve until `stop`, or Ctrl-C."""
        self._looking.start()
        try:
            super().run()
        finally:
            self._ended.set()
            self._looking.join()

    def _keep_looking(self) -> None:
        while not self._ended.is_set():
            self.looks.take()
            self._ended.wait(self.looks.every)


class _Server(LoopbackServer):
    def __init__(self, looks: Poller, port: int) -> None:
        super().__init__(_Handler, port)
        self.looks = looks


class _Handler(LoopbackHandler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server asks for
        """Answer one of four addresses."""
        if self.is_misdirected():
            return
        asked = urlsplit(self.path)
        body = self._body(asked.path, asked.query)
        if body is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send(body, asked.path.rpartition(".")[2] if "." in asked.path else "html")

    def _body(self, path: str, query: str) -> str | None:
        looks = self.server.looks
        if path == "/ledger.json":
            looks.take()
            return to_json(looks.since(_moment(query)))
        if path == "/":
            looks.take()
            return page(looks)
        scripts = {"/watch.js": lambda: pages.theme_script() + pages.asset(__package__, "watch.js")}
        styles = {"/watch.css": lambda: pages.style() + pages.asset(__package__, "watch.css")}
        found = (scripts | styles).get(path)
        return found() if found else None


def page(looks: Poller) -> str:
    """The page as it stands, with the latest figures in it for readers without JavaScript."""
    seen = looks.since()
    latest = seen["looks"][-1] if seen["looks"] else {}
    quality = latest.get("quality")
    shown = {name: value for name, value in latest.items() if name not in ("at", "quality")}
    shown |= {f"quality: {name}": value for name, value in (quality or {}).items()}
    cells = {html.escape(name.replace("_", " ")): html.escape(_shown(value)) for name, value in shown.items()}
    saved = seen["savings"] or {}
    if saved.get("questions"):
        cells |= {
            html.escape(f"shadow: {name.replace('_', ' ')}"): html.escape(_shown(value))
            for name, value in saved.items()
            if name != "cost_unit"
        }
    rows = "".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in cells.items())
    return Template(pages.asset(__package__, "watch.html")).substitute(
        ledger=html.escape(str(seen["ledger"])),
        every=f"{looks.every:g}",
        rows=rows,
        error=html.escape(seen["error"] or ""),
        alarms="".join(f"<li>{html.escape(alarm['text'])}</li>" for alarm in seen["alarms"]),
    )


def _moment(query: str) -> float:
    try:
        return float(parse_qs(query)["since"][0])
    except (KeyError, ValueError):
        return float("-inf")


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "mean" in value:
        interval = "" if value["low"] is None else f" ({_shown(value['low'])} to {_shown(value['high'])})"
        return f"{_shown(value['mean'])}{interval}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {share:.0%}" for name, share in value.items()) or "-"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    return number(value) if isinstance(value, float) else str(value)
