"""The notebooks run as they are, stay the scripts beside them, and show what a run shows."""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from tests.stub_server import StubServer

COOKBOOK = Path(__file__).resolve().parents[2] / "cookbook"
SCRIPTS = sorted(COOKBOOK.glob("[0-9]*.py"))
FAST = "04_is_it_just_my_topic"


def name_of(script):
    return script.stem


def cells_of(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def run(notebook, folder):
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_a_notebook_is_its_script_with_outputs(script):
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    assert cells_of(notebook) == cells_of(jupytext.read(script)), "run: make notebooks"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run: make notebooks"
    assert any(cell.outputs for cell in code)


NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?%?")
TIMED = re.compile(r"slowest answer|second")  # such a line depends on the machine
TOLERANCE = {"07_one_ledger_many_processes": 0.3}  # which process comes first changes what each may spend


def shown(notebook):
    """The text that each cell shows, line by line; pictures and HTML tables say the same in other forms."""
    texts = [
        output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    ]
    return [line for text in texts for line in text.splitlines() if not re.search(r" at 0x\w+", line)]


def numbers(line):
    return [float(found.strip("+%").replace(",", "")) for found in NUMBER.findall(line)]


def words(line):
    return NUMBER.sub("#", line).split()


def test_lines_are_the_same_if_their_words_are_and_their_numbers_are_close():
    assert words("direct 0.251 at  3.7 tokens") == words("direct 0.253 at 12.7 tokens")
    assert numbers("gains +0.026 (-0.007 to 31%), 1,920 rows") == [0.026, -0.007, 31.0, 1920.0]


def test_every_notebook_has_a_script_and_is_named_in_the_index():
    assert {path.stem for path in COOKBOOK.glob("*.ipynb")} == {path.stem for path in SCRIPTS}
    index = (COOKBOOK / "README.md").read_text()
    page = (COOKBOOK.parent / "docs" / "cookbook.md").read_text()
    assert [script.stem for script in SCRIPTS if f"({script.stem}.ipynb)" not in index] == []
    assert [script.stem for script in SCRIPTS if f"`{script.stem}`" not in page] == []


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(script, marks=() if script.stem == FAST else pytest.mark.slow, id=script.stem)
        for script in SCRIPTS
    ],
)
@pytest.mark.filterwarnings("default")  # jupyter's own
def test_a_notebook_runs_and_shows_what_is_committed(script, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(COOKBOOK.parent))
    monkeypatch.syspath_prepend(str(COOKBOOK))
    from execute import executed

    notebook = executed(script)
    complaints = [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert complaints == []
    committed = shown(nbformat.read(script.with_suffix(".ipynb"), as_version=4))
    assert committed
    for line, before in zip(shown(notebook), committed, strict=True):
        assert words(line) == words(before), "run: make notebooks"
        if not TIMED.search(line):
            near = pytest.approx(numbers(before), rel=TOLERANCE.get(script.stem, 0.05), abs=0.01)
            assert numbers(line) == near, "run: make notebooks"


def test_the_notebooks_need_no_key():
    setting = re.compile(r"^(MODEL|URL|SAMPLES) = (.*?)  #", re.MULTILINE)
    assert len(SCRIPTS) > 2
    for script in SCRIPTS:
        settings = dict(setting.findall(script.read_text()))
        assert settings, script
        assert {value for name, value in settings.items() if name != "SAMPLES"} <= {"None"}


DATASETS = r"""
def load_dataset(name, *_, split):
    if "gsm8k" in name:
        return [{"question": f"What is {n} + {n}?", "answer": f"Twice.\n#### {2 * n}"} for n in range(20)]
    solved = [(n, r"It is \boxed{%d}." % (n * n)) for n in range(20)]
    return [{"problem": f"What is {n} * {n}?", "solution": text, "subject": "Algebra"} for n, text in solved]
"""


def arithmetic(prompt, number):
    """Right nine times in ten."""
    first, operator, second = re.findall(r"(\d+) ([-+*]) (\d+)", prompt + " 1 + 1")[0]
    solved = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}[operator](int(first), int(second))
    return f"Answer: {solved + (number % 10 == 0)}"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("script", [s for s in SCRIPTS if "\nMODEL = None" in s.read_text()], ids=name_of)
def test_one_line_switches_to_a_hosted_model(script, monkeypatch, tmp_path):
    (tmp_path / "datasets.py").write_text(DATASETS)
    (tmp_path / "data").symlink_to(COOKBOOK / "data")
    monkeypatch.setenv("PYTHONPATH", f"{COOKBOOK.parent}:{tmp_path}")
    monkeypatch.setenv("OPENAI_API_KEY", "no-key")
    text = re.sub(r"\nMODEL = None", '\nMODEL = "openai:gpt-5-mini"', script.read_text())
    notebook = jupytext.reads(text, fmt="py:percent")
    with StubServer(answer=arithmetic) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        run(notebook, tmp_path)
        assert server.bodies
