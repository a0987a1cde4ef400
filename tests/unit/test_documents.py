"""The documents hold: links and anchors resolve, commands exist, and the README stays a door."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tools.template import ROOT, TEMPLATE, resources

PACKAGE = ROOT / "functions" / "codat_hub"


def below(folder: str, pattern: str) -> list[Path]:
    return sorted((ROOT / folder).rglob(pattern))


DOCUMENTS = [*sorted(ROOT.glob("*.md")), *below("docs", "*.md"), *below("tools", "*.md")]
TEXTS = {path: path.read_text() for path in DOCUMENTS}
FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
MODULE = re.compile(r"`((?:\w+/)+\w+\.py)`")
MENTION = re.compile(r"(?<![\w/])docs/[\w/.-]+\.md(?:#[\w-]+)?")
CODE_SPAN = re.compile(r"`([^`\n]+)`")
MAKE = re.compile(r"^make ([a-z-]+)", re.MULTILINE)


def prose(path: Path) -> str:
    return FENCED.sub("", TEXTS[path])


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub makes of a document's headings."""
    found: Counter[str] = Counter()
    for heading in HEADING.findall(prose(path)):
        found[re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")] += 1
    again = {f"{words}-{number}" for words, count in found.items() for number in range(1, count)}
    return set(found) | again | set(re.findall(r'<a id="([\w-]+)">', TEXTS[path]))


def broken(base: Path, link: str) -> str | None:
    """Return why a link from `base` leads nowhere; None: it resolves."""
    name, _, anchor = link.partition("#")
    target = (base.parent / name).resolve() if name else base
    if not target.is_relative_to(ROOT) or not target.exists():
        return f"{base.relative_to(ROOT)}: no file {link}"
    if anchor and (target not in TEXTS or anchor not in anchors(target)):
        return f"{base.relative_to(ROOT)}: no heading {link}"
    return None


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=names)
def test_every_link_and_anchor_of_a_document_resolves(path):
    links = [link for link in LINK.findall(prose(path)) if not re.match(r"https?:", link)]
    assert [why for link in links if (why := broken(path, link))] == []


def test_every_document_is_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path not in TEXTS:
            continue
        reached.add(path)
        links = [link.partition("#")[0] for link in LINK.findall(prose(path))]
        waiting += [(path.parent / link).resolve() for link in links if link]
    assert set(TEXTS) - reached == set()


def test_every_document_that_the_code_names_exists():
    files = [ROOT / "template.yaml", ROOT / "products.yaml"]
    files += [path for folder in ("functions", "tools") for path in below(folder, "*.py")]
    assert [
        (names(path), why)
        for path in files
        for mention in MENTION.findall(path.read_text())
        if (why := broken(ROOT / "README.md", mention))
    ] == []


def test_the_readme_is_a_door():
    text = TEXTS[ROOT / "README.md"]
    assert len(text.splitlines()) <= 150
    assert len(text.split()) <= 1500
    assert text.count("```mermaid") == 1


def test_every_module_that_a_document_names_exists():
    named = {(path, module) for path in DOCUMENTS for module in MODULE.findall(prose(path))}
    assert len(named) > 30
    missing = [
        f"{names(path)}: {module}"
        for path, module in named
        if not any((folder / module).exists() for folder in (path.parent, ROOT, PACKAGE))
    ]
    assert missing == []


def test_every_target_that_a_document_makes_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    blocks = [block.group() for text in TEXTS.values() for block in FENCED.finditer(text)]
    spans = [span for path in DOCUMENTS for span in CODE_SPAN.findall(prose(path))]
    named = {target for code in blocks + spans for target in MAKE.findall(code)}
    assert {"demo", "test", "deploy"} <= named
    assert named - targets == set()


def test_watch_explains_every_alarm_and_no_other():
    text = TEXTS[ROOT / "docs/operate/watch.md"]
    cells = re.findall(r"^\| ((?:`[A-Z]\w+`(?:, )?)+) \|", text, re.MULTILINE)
    alarms = [alarm for cell in cells for alarm in re.findall(r"\w+", cell)]
    assert sorted(alarms) == sorted(resources("AWS::CloudWatch::Alarm"))


def test_deploy_explains_every_parameter_that_a_person_sets():
    text = TEXTS[ROOT / "docs/deploy.md"]
    set_by_us = {"Environment", "CodatBaseUrl", "LocalEndpoint", "MigrationWaitScale"}
    documented = set(re.findall(r"`([A-Z]\w+)`", text.partition("## Parameters")[2]))
    assert documented == set(TEMPLATE["Parameters"]) - set_by_us
