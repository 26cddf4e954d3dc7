"""The library keeps its structure: the order of its packages, imports, exports, sizes."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import adaptive_reasoner

ROOT = Path(adaptive_reasoner.__file__).parent
FLOORS = [
    {"amounts"},
    {
        "action_names",
        "atomic_file",
        "redaction",
        "errors",
        "arrays",
        "console",
        "lazy_pattern",
        "pages",
        "sandbox",
    },
    {"models"},
    {"answers"},
    {"strategies"},
    {"policy"},
    {"ledger.price_controller", "ledger.urls"},
    {"ledger.accuracy_floor"},
    {"ledger.base", "ledger.estimates", "ledger.comparisons"},
    {"ledger.async_verbs", "ledger.refusals"},
    {"ledger.settings", "ledger.proxy", "ledger.journal_file", "ledger.row_files"},
    {"ledger.entries"},
    {"ledger.changes"},
    {"ledger.store"},
    {"ledger.comparison_keeping", "ledger.alarm_keeping"},
    {"ledger.rules"},
    {"ledger.memory", "ledger.sql", "ledger.tenants", "ledger.journal"},
    {"ledger.runs"},
    {"ledger.opening", "ledger.retention"},
    {"ledger"},
    {"shadow"},
    {"reasoner"},
    {"integrations"},
    {"kit.arguments", "kit.cache", "kit.onnx_graph", "kit.plotting", "kit.ray_cluster", "kit.tables"},
    {"kit.questions", "kit.outcomes", "kit.samples"},
    {"kit.public_questions", "kit.recorded_model", "kit.menu", "kit.estimating"},
    {"kit.allocation", "kit.votes"},
    {"kit.collecting", "kit.learning"},
    {"kit.regrading"},
    {"kit.experiments", "kit.importing", "kit.labelling", "kit.off_policy"},
    {"kit.backtesting"},
    {"kit.reporting"},
    {"kit"},
    {"watch", "server"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
KIT_STANDS_ON = {room for floor in FLOORS[:6] for room in floor}
FACES = {
    "adaptive_reasoner",
    "adaptive_reasoner.answers",
    "adaptive_reasoner.ledger",
    "adaptive_reasoner.kit",
}
"""What users import; inside a package modules import modules."""

MODULES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.name != "__init__.py")


def name_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module):
    """The package a module belongs to; `ledger` and `kit` have rooms of their own."""
    _, *parts = module.split(".")
    depth = 2 if parts and parts[0] in ("kit", "ledger") else 1
    return ".".join(parts[:depth])


def imports_of(path):
    for item in ast.walk(ast.parse(path.read_text())):
        if isinstance(item, ast.ImportFrom) and (item.module or "").split(".")[0] == "adaptive_reasoner":
            submodules = [f"{item.module}.{alias.name}" for alias in item.names]
            found = [name for name in submodules if name in modules()]
            yield from found or [item.module]
        elif isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names if alias.name.startswith("adaptive_reasoner."))


@cache
def modules():
    return {name_of(path): path for path in MODULES}


def floor_of(room):
    return next(number for number, floor in enumerate(FLOORS) if room in floor)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_packages_of_the_floors_below(path):
    own = room_of(name_of(path))
    for module in imports_of(path):
        room = room_of(module)
        if module == "adaptive_reasoner" or room == own:
            continue
        assert floor_of(room) < floor_of(own), f"{name_of(path)} imports {module}"
        if own.startswith("kit."):
            assert room in KIT_STANDS_ON or room.startswith("kit."), f"{name_of(path)} imports {module}"
        if not own.startswith(("kit", "demo", "cli")):
            assert not room.startswith("kit"), f"the online half imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_inside_a_package_modules_import_modules_never_its_face(path):
    package = name_of(path).rsplit(".", 1)[0]
    assert package not in FACES or package not in set(imports_of(path)) or path.name == "__init__.py"


def floors_inside(package):
    """The floors of a package, or of the whole library for the empty name."""
    start = f"{package}." if package else ""
    floors = [
        {room[len(start) :].split(".")[0] for room in floor if room.startswith(start)} for floor in FLOORS
    ]
    return [floor for number, floor in enumerate(floors) if floor and floor not in floors[:number]]


@pytest.mark.parametrize(("package", "line"), [("", 0), ("ledger", 1), ("kit", 2)])
def test_the_guide_for_contributors_shows_the_same_floors(package, line):
    guide = (ROOT.parent / "CONTRIBUTING.md").read_text()
    shown = re.findall(r"^    (\w+.* < .*)$", guide, re.MULTILINE)
    assert len(shown) == 3
    assert [set(floor.split(", ")) for floor in shown[line].split(" < ")] == floors_inside(package)


def test_every_path_and_package_that_the_architecture_names_is_there():
    page = (ROOT.parent / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"(?:[\w.]+/)+(?:\w+\.(?:py|md))?", page))
    assert len(named) > 20
    places = (ROOT, ROOT / "ledger", ROOT.parent)
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []
    assert [
        room for floor in floors_inside("") for room in floor if not re.search(rf"`{room}/?`", page)
    ] == []


def test_no_modules_import_each_other_in_a_circle():
    below = {
        name: {module for module in imports_of(path) if module in modules()}
        for name, path in modules().items()
    }
    assert sum(map(len, below.values())) > len(below)
    while below:
        free = {name for name, needs in below.items() if not needs & set(below) - {name}}
        assert free, f"in a circle: {sorted(below)}"
        below = {name: needs for name, needs in below.items() if name not in free}


def test_every_package_has_its_floor():
    assert {room_of(name) for name in modules()} == {room for floor in FLOORS for room in floor}


def test_every_new_place_of_a_module_in_the_guide_to_upgrading_is_there():
    guide = (ROOT.parent / "docs" / "upgrading.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \| (.* -> .*) \|$", guide, re.MULTILINE)
    places = [(package, place) for package, row in rows for place in re.findall(r" -> ([\w.]+)", row)]
    assert len(places) > 50
    named = [
        {f"adaptive_reasoner.{package}.{place}", f"adaptive_reasoner.{place}"} for package, place in places
    ]
    assert [names for names in named if not names & set(modules())] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_longer_than_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_defines_its_own_name(path):
    """An import of such a name from a package would give the module or the function, whichever came last."""
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = {item.name for item in ast.parse(path.read_text()).body if isinstance(item, defined)}
    assert path.stem not in names


TESTS = Path(__file__).parent


def test_the_unit_tests_mirror_the_packages():
    packages = {path.parent.relative_to(ROOT) for path in ROOT.rglob("*.py")}
    tested = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    assert tested == packages


def test_no_test_imports_from_the_module_of_other_tests():
    """Fixtures stand in a conftest.py, and other helpers in a module of their own."""
    imports = re.compile(r"^(?:from|import) tests\.(?:\w+\.)*test_\w+", re.MULTILINE)
    found = {str(path): imports.findall(path.read_text()) for path in TESTS.parent.rglob("*.py")}
    assert len(found) > 100
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_the_exports_are_sorted_and_there():
    exported = adaptive_reasoner.__all__
    assert exported == sorted(exported)
    assert all(getattr(adaptive_reasoner, name) is not None for name in exported)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        adaptive_reasoner.nothing  # noqa: B018


def modules_after(statement, *, beyond="pass"):
    program = (
        f"import sys; {beyond}; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(printed.stdout.split())


def loaded_after(statement):
    return {name.split(".")[0] for name in modules_after(statement)}


def test_importing_the_library_loads_nothing_heavy():
    heavy = {
        "numpy",
        "yaml",
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


def test_importing_the_library_leaves_what_traces_calls_to_the_first_call():
    core = "import langchain_core.language_models, langchain_core.messages, langchain_core.runnables"
    deferred = {"langchain_core.tracers.context", "langsmith.run_helpers", "tenacity"}
    assert not modules_after("import adaptive_reasoner", beyond=core) & deferred


def test_loading_a_policy_needs_neither_torch_nor_scikit_learn():
    assert not loaded_after("from adaptive_reasoner import LearnedPolicy, AdaptiveComputeNode") & {
        "torch",
        "sklearn",
    }
