"""Comments cite only what is in the repository, and docs/codat.md has each fact they name."""

import re
from pathlib import Path

from tools.measure.references import dangling

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "codat.md").read_text()
ROWS = re.findall(
    r'^\| \*\*C(\d+)\*\*<a id="c(\d+)"></a> \| .+ \| .+ \| '
    r"(?:documented|seen in the specification|inferred|contradictory) \|$",
    PAGE,
    re.MULTILINE,
)
CITED = re.compile(r"docs/codat\.md((?:, C\d+)+)")


def test_no_line_cites_what_is_not_there():
    assert dangling(ROOT).names == ()


def test_each_fact_has_a_number_of_its_own_and_an_anchor_of_that_number():
    numbers = [number for number, _ in ROWS]
    assert numbers == [anchor for _, anchor in ROWS]
    assert len(ROWS) == len(set(numbers)) == PAGE.count("<a id=")


def test_each_fact_is_cited():
    paths = [path for top in ("functions", "tools", "tests") for path in (ROOT / top).rglob("*.py")]
    cited = " ".join(facts for path in paths for facts in CITED.findall(path.read_text()))
    assert {number for number, _ in ROWS} <= set(re.findall(r"\d+", cited))
