"""The `[grader]` of a menu: what answers are graded by and, with it, when two replies say the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adaptive_reasoner.answers.base import Comparison
from adaptive_reasoner.answers.free_text.clusters import AT_LEAST, similar
from adaptive_reasoner.answers.free_text.judgement import Judged, judged
from adaptive_reasoner.answers.grouping import comparison, fields
from adaptive_reasoner.answers.programs.code_comparison import code as code_in
from adaptive_reasoner.answers.programs.program_tests import python_tests
from adaptive_reasoner.arrays import Matrix
from adaptive_reasoner.errors import MenuError
from adaptive_reasoner.kit.menu.llm_grader import Referee
from adaptive_reasoner.kit.menu.preference import Preference
from adaptive_reasoner.kit.menu.toml_code import MenuCode
from adaptive_reasoner.kit.menu.toml_tables import MenuTable, Number
from adaptive_reasoner.models.source import Source
from adaptive_reasoner.policy.features import EncoderSession

_NAMED = ("exact", "numeric", "choice", "math", "json", "auto")
_KIND_OF = {
    "fields": "fields",
    "language": "code",
    "model": "judged",
    **dict.fromkeys(("encoder", "at_least"), "similar"),
}
_JUDGES = {"judge": Referee, "preference": Preference}
_FILES = ("encoder.onnx", "tokenizer.json")


class _Grader(MenuTable):
    kind: str = "exact"
    function: str | None = None
    source: str | None = None
    fields: list[str] | None = None
    language: str | None = None
    encoder: str | None = None
    at_least: Number = AT_LEAST
    model: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class LateEncoder:
    """The encoder in a folder, opened when a text is first encoded, since a menu loads nothing heavy.

    Attributes:
        folder: Holds `encoder.onnx` and `tokenizer.json`, as a policy folder does.
    """

    folder: Path

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Vectors of unit length, shape (len(texts), dimension)."""
        return self._session.encode(texts)

    @cached_property
    def _session(self) -> EncoderSession:
        return EncoderSession(self.folder)


def grading(entries: Any, code: MenuCode, sources: Mapping[str, Source]) -> dict[str, Any]:
    """The grader and the key that finds answers: one comparison, where no function or model grades.

    Args:
        entries: Those of `[grader]`.
        code: The functions of the menu.
        sources: Its sources, of which one may compare replies.

    Raises:
        MenuError: There is no such kind, or an entry belongs to another one.
    """
    table = _Grader.read(entries, "grader")
    own = {"key": _compared_by(table.key, table, code, sources)} if table.key is not None else {}
    for entry in table.model_fields_set & _KIND_OF.keys():
        if _KIND_OF[entry] not in (table.kind, table.key):
            raise MenuError(f'[grader] {entry} belongs to kind = "{_KIND_OF[entry]}"')
    if table.function is not None:
        return {"grader": code.function(table.function, "grader"), **own}
    if (table.kind in _JUDGES) != (table.source is not None):
        kind = table.kind if table.kind in _JUDGES else "judge"
        raise MenuError(f"[grader] kind {kind} names its source, and none but {' and '.join(_JUDGES)} does")
    if table.source is not None:
        return {"grader": _JUDGES[table.kind](table.source), **own}
    compared = _compared_by(table.kind, table, code, sources)
    return {"grader": compared, "key": compared, **own}


def _compared_by(kind: str, table: _Grader, code: MenuCode, sources: Mapping[str, Source]) -> Comparison:
    """The comparison of a kind."""
    if kind == "fields":
        if not table.fields:
            raise MenuError('[grader] kind = "fields" names them: fields = ["city", "year"]')
        return fields(*table.fields)
    if kind == "code":
        try:
            return code_in(table.language or "")
        except ValueError as error:
            raise MenuError(f'[grader] kind = "code" names its language: {error}') from error
    if kind == python_tests.name:
        code.run_replies("grader", "kind python_tests runs the programs in replies")
        return python_tests
    if kind == "similar":
        return _similar(table, code.folder)
    if kind == Judged.name:
        return _judged(table.model, sources)
    if kind not in _NAMED:
        known = ", ".join([*_NAMED, "fields", "code", python_tests.name, "similar", Judged.name])
        raise MenuError(
            f"[grader] there is no kind {kind!r}; known are {known}, {', '.join(_JUDGES)}, or a function"
        )
    return comparison(kind)


def _similar(table: _Grader, menu: Path) -> Comparison:
    folder = menu / (table.encoder or "")
    missing = [name for name in _FILES if table.encoder is None or not (folder / name).is_file()]
    if missing:
        raise MenuError(
            f'[grader] kind = "similar" names a folder that holds {" and ".join(missing)}, as a policy '
            'folder does: encoder = "policy"; `adaptive_reasoner.kit.open_encoder().folder` is one'
        )
    try:
        return similar(LateEncoder(folder), at_least=table.at_least)
    except ValueError as error:
        raise MenuError(f"[grader] {error}") from error


def _judged(model: str | None, sources: Mapping[str, Source]) -> Comparison:
    if model is None:
        raise MenuError('[grader] kind = "judged" names the source that compares replies: model = "judge"')
    if model not in sources:
        raise MenuError(f"[grader] there is no source {model!r}; known are {', '.join(sources)}")
    return judged(sources[model])
