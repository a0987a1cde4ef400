"""Each figure moves with what it measures, and each limit is judged."""

import json

import pytest

from tools.measure.__main__ import main, measure

HUB = "functions/codat_hub"
RULE = '"""A rule."""\n\n\ndef rule(a: int) -> int:\n    return a + 1\n'
TREE = {
    "README.md": "# Hub\n\nThe [rule](functions/codat_hub/companies/domain/rule.py) of it all.\n",
    "docs/codat.md": "# Facts\n\n## C1 Calls are limited\n",
    f"{HUB}/errors.py": '"""Errors."""\n',
    f"{HUB}/companies/domain/rule.py": RULE,
    "tools/build.py": '"""Builds."""\n',
    "tests/unit/companies/domain/test_rule.py": '"""Tests of the rule."""\n',
    "statemachines/migration.asl.json": "{\n}\n",
}
LONG = "def long() -> None:\n" + "    print()\n" * 35
EXPLAINED = "    # Long because it is a list.\n    print()\n"
TRY_AGAIN = (
    "def again(store):\n    for _ in range({}):\n        if store.put():\n            return\n"
)
MANY = {f"{HUB}/companies/domain/{letter}.py": "" for letter in "abc"}
A = f"{HUB}/companies/adapters/a.py"
DECIDING = "deciding modules without a test"


def written(root, files):
    for name, text in (TREE | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def value(root, label, files):
    return measure(written(root, files))[label].value


@pytest.mark.parametrize(
    ("label", "files", "before", "after"),
    [
        ("most siblings in functions/", MANY, 1, 4),
        ("most siblings in tools/", {"tools/a.py": ""}, 1, 2),
        ("functions over 35 lines", {A: LONG}, 0, 1),
        ("functions over 35 lines", {A: LONG.removesuffix("    print()\n")}, 0, 0),
        ("long functions without a reason", {A: LONG}, 0, 1),
        ("long functions without a reason", {A: "# Long because: a list.\n" + LONG}, 0, 0),
        ("largest file, lines", {A: LONG}, 5, 36),
        ("Protocols", {A: "class A(Protocol[T]): ...\nclass B(typing.Protocol): ...\n"}, 0, 2),
        ("class names defined twice or more", {A: "class A: ...\nclass A: ...\n"}, 0, 1),
        ("loop variables called `one`", {A: "for one in b:\n    [one for c, one in one]\n"}, 0, 2),
        ("README, lines", {"README.md": "a\nb c\n"}, 3, 2),
        ("README, words", {"README.md": "a\nb c\n"}, 7, 3),
        ("state machine's source, lines", {"tools/statemachine/saga.py": "A = 1\n"}, 2, 1),
        (
            "imports inside a feature, %",
            {A: "from codat_hub.companies.domain import rule\n"},
            0,
            100,
        ),
        ("imports inside a feature, %", {A: "from codat_hub.storage.items import b\n"}, 0, 0),
        ("imports inside a feature, %", {A: "from codat_hub.errors import Absent\n"}, 0, 0),
        ("code lines of functions/", {A: '"""A.\n\nB.\n"""\n\n# c\nimport b\na = 1  # d\n'}, 2, 3),
        (
            "import lines of functions/",
            {A: '"""A."""\n\nfrom b import (\n    c,\n)\n\na = c\n'},
            0,
            3,
        ),
    ],
)
def test_a_figure_moves_with_what_it_measures(tmp_path, label, files, before, after):
    assert value(tmp_path, label, {}) == before
    assert value(tmp_path, label, files) == after


@pytest.mark.parametrize("place", ["decorated", "after the docstring", "after the signature"])
def test_a_reason_stands_above_the_function_or_before_its_first_statement(tmp_path, place):
    reason = "# Long because it is a list.\n"
    text = {
        "decorated": f"{reason}# Nothing decides here.\n@cache\n{LONG}",
        "after the docstring": LONG.replace("\n", f'\n    """Long."""\n    {reason}', 1),
        "after the signature": LONG.replace("\n", f"\n    {reason}", 1),
    }[place]
    assert value(tmp_path, "long functions without a reason", {A: text}) == 0


def test_a_reason_further_down_is_not_in_its_place(tmp_path):
    assert value(tmp_path, "long functions without a reason", {A: LONG + EXPLAINED}) == 1


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        (TRY_AGAIN.format("TRIES"), 1),
        (TRY_AGAIN.format("1, self._max_attempts + 1"), 1),
        (TRY_AGAIN.format("3") + "    raise Unavailable\n", 1),
        (TRY_AGAIN.format("3") + "    print()\n", 0),
        ("while not table.put(item):\n    pass\n", 1),
        ("while True:\n    if table.update(item):\n        break\n", 1),
        ("while True:\n    page = table.query()\n    if not page:\n        break\n", 0),
        ("for number in range(run.attempts):\n    stop(number)\n", 0),
        ("for page in range(9):\n    if page:\n        break\n", 0),
    ],
)
def test_a_loop_that_tries_again_is_counted_however_it_is_written(tmp_path, text, loops):
    assert value(tmp_path, "retry loops", {A: text}) == loops


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ('"""Return it."""\n', 0),
        ('"""Is it so?\n\nMore.\n"""\n', 0),
        ('"""Return what the\n\nnext line says."""\n', 1),
        ('"""Return it.\nMore.\n"""\n', 1),
        ('"""Return it. (Guide)"""\n', 1),
        ('def _a():\n    """Return it"""\n\n\nclass A:\n    """Hold it"""\n', 2),
    ],
)
@pytest.mark.parametrize("place", [A, "tools/a.py", "tests/test_a.py"])
def test_a_docstring_is_cut_if_its_first_line_does_not_stand_alone(tmp_path, place, text, cut):
    assert value(tmp_path, "cut docstrings", {place: text}) == cut


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (A, "# see FACTS §2.4"),
        (A, "# see FACTS 4.5"),
        (A, "# a wait (DESIGN §5)"),
        ("docs/deploy.md", "Read DESIGN.md first."),
        ("tests/test_a.py", "# not documented (D9)"),
        (A, "# the seed's order"),
        (A, "# no colon (Codat docs: authentication)"),
        ("tests/test_a.py", "# the hours (OAS: SyncSetting)"),
        ("template.yaml", "# decided in issue 12"),
        ("README.md", "[more](docs/absent.md#part)"),
        ("docs/deploy.md", "[hub](README.md)"),
        (A, "# docs/absent.md says why"),
        (A, "# docs/codat.md, C2"),
        ("tools/a.py", "# docs/codat.md, C1 and C7"),
    ],
)
def test_a_line_dangles_if_it_cites_what_the_repository_does_not_have(tmp_path, name, line):
    assert value(tmp_path, "dangling references", {name: line + "\n"}) == 1


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (A, "# docs/codat.md, C1"),
        (A, "# Codat's guide; https://docs.codat.io/docs/absent.md"),
        (A, "STYLE: Final = 1  # (aws/aws-sam-cli issue 1257)"),
        ("tools/a.py", "# made from the seed"),
        (
            "docs/deploy.md",
            "[hub](../README.md#hub), [here](#part), [Codat](https://docs.codat.io)",
        ),
    ],
)
def test_a_line_does_not_dangle_if_its_source_is_here_or_public(tmp_path, name, line):
    assert value(tmp_path, "dangling references", {name: line + "\n"}) == 0


@pytest.mark.parametrize(
    ("name", "text", "missing"),
    [
        ("migration/steps/activity.py", RULE, 1),
        ("usecases/assign.py", RULE, 1),  # layers first
        ("api/queries/status.py", RULE, 1),
        ("storage/update.py", RULE, 1),
        ("storage/item_store.py", RULE, 0),
        ("storage/items.py", "import botocore\n" + RULE, 0),
        ("companies/ports.py", "class A(Protocol):\n    def get(self) -> int: ...\n", 0),
        ("companies/adapters/store.py", RULE, 0),
        ("handlers/control_api.py", RULE, 0),
        ("errors.py", RULE, 0),
        ("codat/errors.py", RULE, 0),
    ],
)
def test_a_module_that_decides_needs_a_test_module_of_its_name(tmp_path, name, text, missing):
    module = {f"{HUB}/{name}": text}
    assert value(tmp_path, DECIDING, module) == missing
    test = {f"tests/component/test_{name.rpartition('/')[2]}": ""}
    assert value(tmp_path, DECIDING, module | test) == 0


def test_check_fails_only_if_a_limit_is_missed(tmp_path, capsys):
    before, now = written(tmp_path / "before", {A: "a = 1\n"}), written(tmp_path / "now", {})
    assert main(["--tree", str(now), "--against", str(before), "--check"]) == 0
    limits = sum(figure.limit is not None for figure in measure(now).values())
    assert capsys.readouterr().out.count("✓") == limits + 1 > 5
    assert main(["--tree", str(before), "--against", str(now), "--check"]) == 1  # more code
    assert main(["--tree", str(before), "--against", str(now)]) == 0
    written(now, {A: TRY_AGAIN.format("TRIES") * 4})
    assert main(["--tree", str(now), "--check"]) == 1


def test_verbose_names_what_is_behind_a_figure(tmp_path, capsys):
    main(["--tree", str(written(tmp_path, {A: LONG})), "--verbose"])
    assert f"{A}:1 long (36 lines)" in capsys.readouterr().out


def test_json_has_both_checkouts(tmp_path, capsys):
    root = str(written(tmp_path, {}))
    main(["--tree", root, "--against", root, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["now"] == found["before"]
    assert found["now"]["README, words"] == {
        "value": 7, "note": "", "names": [], "limit": 1500
    }  # fmt: skip
