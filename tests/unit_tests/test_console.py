import pytest

from adaptive_reasoner.console import err, out, print_table

FIGURES = {"policy": "imitator_unseen_groups", "realised_cost": 12345.678, "lift_low": -0.13, "share": None}


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_figures_and_names_are_shown_whole_however_narrow_it_is(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    print_table([FIGURES, FIGURES], title="what it came to")
    printed = capsys.readouterr().out
    assert printed.count("imitator_unseen_groups 12345.678 -0.130") == 2
    assert "…" not in printed


def test_long_texts_give_way_to_figures(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    print_table([{**FIGURES, "why": "because " * 20}])
    printed = capsys.readouterr().out
    assert printed.count("because") == 20
    assert max(map(len, printed.splitlines())) <= 60


@pytest.mark.parametrize("console", [out, err])
def test_colons_around_a_word_are_no_emoji(capsys, console):
    console.print("my_prompts:x: no such module", markup=False)
    assert "my_prompts:x:" in "".join(capsys.readouterr())


def test_names_and_small_figures_are_shown_as_they_are(capsys):
    print_table([{"key": "run[/b]", "action": "cot[3]", "cost": 0.000123456, "free": 0.0}])
    printed = capsys.readouterr().out
    assert all(shown in printed for shown in ("run[/b]", "cot[3]", "0.000123", "0.000\n"))
