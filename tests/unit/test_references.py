"""Comments cite only what is in the repository, and docs/codat.md has each fact they name."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FACTS_PAGE = ROOT / "docs" / "codat.md"
HIDDEN_BUT_OURS = {".ci", ".github"}
FACT = re.compile(
    r'\| <a id="c(\d+)"></a>\*\*C(\d+)\*\* \| .+ \| .+ \| '
    r"(?:documented|seen in the specification|inferred|contradictory) \|"
)
CITATION = re.compile(r"docs/codat\.md((?:, C\d+)+)|codat\.md#c(\d+)\b")
# Names of documents that are not in the repository, as comments once cited them.
ELSEWHERE = re.compile(
    r"\b(?:FACTS|DESIGN|LAYOUT|LOCAL_AWS)\b|\bSTYLE(?:\.md| ?§)|(?<!RFC \d{4} )§|\bD\d{1,2}\b"
    r"|\b[Tt]he seed's\b|(?<!\w)\(seed\b|\b[Ii]ssues? #?\d+\b"
    r"|\bCodat (?:docs|OAS)\b|\((?:docs|OAS):"
)


def files():
    """Every file of the project but this one, which has the patterns."""
    for top in ROOT.iterdir():
        if top.is_file() or not top.name.startswith(".") or top.name in HIDDEN_BUT_OURS:
            for path in (top, *top.rglob("*")):
                if path.is_file() and path.suffix != ".pyc" and path != Path(__file__):
                    yield path


@pytest.fixture(scope="module")
def texts():
    return {path.relative_to(ROOT): path.read_text(errors="ignore") for path in files()}


def facts():
    return [int(number) for number, _ in FACT.findall(FACTS_PAGE.read_text())]


def cited(text):
    """Return the numbers of the facts that a text names, in either form of a citation."""
    return {
        int(number)
        for comment, link in CITATION.findall(text)
        for number in re.findall(r"\d+", comment + link)
    }


def test_each_fact_has_its_number_once_and_an_anchor_of_that_number():
    page = FACTS_PAGE.read_text()
    assert FACT.findall(page)
    assert all(anchor == number for anchor, number in FACT.findall(page))
    assert len(facts()) == len(set(facts())) == page.count("<a id=")


def test_each_fact_that_is_cited_exists(texts):
    missing = {str(path): cited(text) - set(facts()) for path, text in texts.items()}
    assert not {path: numbers for path, numbers in missing.items() if numbers}


def test_each_fact_is_cited(texts):
    used = [cited(text) for path, text in texts.items() if ROOT / path != FACTS_PAGE]
    assert not sorted(set(facts()).difference(*used))


def test_no_file_cites_a_document_that_is_not_there(texts):
    found = [
        f"{path}:{text.count('\n', 0, match.start()) + 1}: {match[0]}"
        for path, text in texts.items()
        for match in ELSEWHERE.finditer(text)
    ]
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "is locked during a read. (D10)",
        "see DESIGN §5",
        "(FACTS §4.5)",
        "The seed's activities",
        "of the levels that count (seed, D11)",
        "as in issue 7",
        "no colon. (Codat docs: authentication)",
        "(docs: change policy)",
    ],
)
def test_what_counts_as_a_document_that_is_not_there(line):
    assert ELSEWHERE.search(line)


@pytest.mark.parametrize(
    "line",
    ["random.Random(seed)", "RFC 9110 §10.2.3", "the same seed", "(docs/codat.md, C1)"],
)
def test_what_does_not(line):
    assert not ELSEWHERE.search(line)
