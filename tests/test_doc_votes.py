"""doc/votes.md: its code runs as it stands, and does what the page says."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[1] / "doc" / "votes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
FIGURES = re.findall(r"^(\w+) = .*  # (-?[\d.]+)$", "\n".join(BLOCKS), flags=re.MULTILINE)


@pytest.fixture(scope="module")
def page():
    names = {}
    for block in BLOCKS:
        exec(block, names)
    return names


@pytest.mark.parametrize("name, figure", FIGURES)
def test_figures(page, name, figure):
    assert page[name] == pytest.approx(float(figure), abs=0.02)


def test_there_are_figures():
    assert len(FIGURES) == 11


def test_the_bounds_hold_the_truth(page):
    assert page["low"] <= page["truth"] <= page["high"]
    assert page["plug_in"] < page["low"]
    assert page["result"].interval[0] <= page["kl_true"] <= page["result"].interval[1]


def test_the_lower_end_is_close_with_the_challenger(page):
    assert page["kl_low"] == pytest.approx(page["kl_true"], abs=0.02)
