"""HTML that data cannot break."""

from __future__ import annotations

import pytest

from portrait.report.markup import Head, bar, h, table


def test_text_is_escaped_and_markup_is_not() -> None:
    assert h("p", "a < b & ", h("b", "c")) == "<p>a &lt; b &amp; <b>c</b></p>"


def test_attributes_are_escaped_and_lose_their_underscores() -> None:
    assert h("a", class_="x", aria_label='say "hi"', id=None) == '<a class="x" aria-label="say &quot;hi&quot;"></a>'


def test_a_table_has_a_caption_and_headings_for_columns_and_rows() -> None:
    made = table("Customers by tier", [Head("Tier"), Head("Customers", True)], [["VIP", "18"]])
    assert "<caption" in made
    assert '<th scope="col">Tier</th><th scope="col" class="n">Customers</th>' in made
    assert '<th scope="row">VIP</th><td class="n">18</td>' in made


def test_a_row_with_too_few_cells_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        table("Broken", [Head("a"), Head("b")], [["only one"]])


@pytest.mark.parametrize(("share", "width"), [(0.25, "25.0%"), (1.7, "100.0%"), (None, "0.0%")])
def test_the_bar_of_a_cell_stays_within_it(share: float | None, width: str) -> None:
    assert f"width:{width}" in bar(share, "x")
