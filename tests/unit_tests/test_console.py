import json

import pytest

from adaptive_reasoner.console import err, out, print_table, to_json

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


def test_a_small_cost_is_shown_to_four_digits_and_an_accuracy_to_three(capsys):
    row = {"accuracy": 0.0523456, "cost": 0.001646, "budget": 0.0005, "uniform_at_cost": 0.05}
    print_table([{"action": "a", **row, "mean_cost": 12.5}])
    assert capsys.readouterr().out.split()[-6:] == ["a", "0.052", "0.001646", "0.0005", "0.050", "12.500"]


@pytest.mark.parametrize("console", [out, err])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("over\rwritten", r"over\rwritten"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("half \udcff", r"half \udcff"),
        ("a\nb\tc é 漢 👩‍🚀", "a\nb\tc é 漢 👩‍🚀"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(capsys, console, text, shown):
    console.print(text, markup=False, highlight=False)
    assert "".join(capsys.readouterr()).expandtabs().rstrip() == shown.expandtabs()
    print_table([{"name": text}])
    assert not set("\x1b\x07\r\x9b\u202e\udcff") & set(capsys.readouterr().out)


def test_json_stays_the_same_json_and_is_safe_on_a_terminal():
    value = {"key\x1b[2J": ["\x9b31m", "\u202e", "half \udcff", "é\n", 'quo"te\\']}
    assert json.loads(to_json(value)) == value
    assert to_json(value).isprintable()
