"""HTML tables: their length, what they hold, and how figures are rounded."""

from adaptive_reasoner.pages.tables import html_table


def test_a_long_table_says_how_long_it_is():
    shown = html_table([{"at": number} for number in range(50)], "Numbers", most=10)
    assert "Numbers (the first 10 of 50 rows)" in shown
    assert shown.count("<tr>") == 11


def test_what_a_table_holds_cannot_run():
    nasty = "<script>alert(1)</script>"
    assert "<script>" not in html_table([{nasty: nasty}], nasty)


def test_what_rounding_left_is_shown_as_nothing():
    assert "<td>0</td><td>0.0000001</td>" in html_table([{"at": 1, "lift": -5.6e-17, "price": 1e-7}])
