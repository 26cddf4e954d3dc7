"""The house keeps its shape: floors, imports, exports, sizes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import adaptive_reasoner

ROOT = Path(adaptive_reasoner.__file__).parent
PROJECT = ROOT.parent
FLOORS = [
    {"errors"},
    {
        "bills",
        "observed",
        "wrapped",
        "usage",
        "media_bounds",
        "endings",
        "api_errors",
        "regular_files",
        "wire_format",
    },
    {"request_bound", "onnx_structure"},
    {"onnx_models"},
    {
        "costs",
        "pages",
        "answers",
        "dialects",
        "features",
        "pricing",
        "policy_folder",
        "policy_fields",
        "prospects",
    },
    {"calls", "listed_prices", "mathematics", "stopping", "stop_model", "worst_cases", "imitator_model"},
    {"at_once", "policy", "ledger"},
    {"call", "conversations"},
    {"caller"},
    {"flows"},
    {"strategies", "selection"},
    {"day_one", "sample_log"},
    {"hold", "choice"},
    {"charge"},
    {"reasoner", "graph"},
    {"agent_calls", "durable", "context", "telemetry"},
    {"nodes", "budget_node", "chat_model", "middleware"},
    {"console"},
    {"watch"},
    {"demo", "cli"},
]
KIT_STANDS_ON = {name for floor in FLOORS[: 1 + FLOORS.index({"strategies", "selection"})] for name in floor}


def part_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path):
    for item in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(item, ast.ImportFrom) and item.module:
            names = [item.module]
        elif isinstance(item, ast.Import):
            names = [alias.name for alias in item.names]
        for name in names:
            if name.startswith("adaptive_reasoner."):
                yield name.split(".")[1]


MODULES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.name != "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_stands_only_on_the_floors_below(path):
    part = part_of(path)
    if part == "kit":
        assert set(imports_of(path)) - {"kit"} <= KIT_STANDS_ON
        return
    floor = next(number for number, floor in enumerate(FLOORS) if part in floor)
    below = {name for floor in FLOORS[:floor] for name in floor} | {part}
    if part in ("demo", "cli"):
        below |= {"kit", "demo"}
    assert set(imports_of(path)) <= below


def test_every_module_has_its_floor():
    assert {part_of(path) for path in MODULES} - {"kit", "__init__"} == {
        name for floor in FLOORS for name in floor
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_longer_than_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


def test_the_exports_are_sorted_and_there():
    exported = adaptive_reasoner.__all__
    assert exported == sorted(exported)
    assert all(getattr(adaptive_reasoner, name) is not None for name in exported)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        adaptive_reasoner.nothing  # noqa: B018


def loaded_after(statement):
    program = f"import sys; {statement}; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in printed.stdout.split()}


def test_importing_the_library_loads_nothing_heavy():
    heavy = {
        "torch",
        "sklearn",
        "langchain",
        "langgraph",
        "sqlalchemy",
        "onnxruntime",
        "transformers",
        "pandas",
    }
    assert not loaded_after("import adaptive_reasoner") & heavy


def test_loading_a_policy_needs_neither_torch_nor_scikit_learn():
    assert not loaded_after("from adaptive_reasoner import LearnedPolicy, AdaptiveComputeNode") & {
        "torch",
        "sklearn",
    }
