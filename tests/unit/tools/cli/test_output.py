"""Commands print one JSON document or a table, complete and harmless on any terminal."""

import io
import json
import re
import subprocess
import sys

import pytest

from tools.cli.failures import FieldError, Refused
from tools.cli.terminal.output import Column, Output, plain, show_failure
from tools.samconfig import ROOT

COLUMNS = [
    Column("company", lambda row: row["id"], whole=True),
    Column("name", lambda row: row["name"]),
    Column("products", lambda row: row["products"]),
]


def pages(*sizes):
    number = 0
    for size in sizes:
        page = []
        for _ in range(size):
            number += 1
            name = f"Company {number}"
            page.append({"id": f"id-{number:06}", "name": name, "products": ["a", "b"]})
        yield page


def table(capsys, given, *, as_json=False):
    count = Output(as_json=as_json).table(given, COLUMNS, "Nothing here. Try: tools/hub x")
    printed = capsys.readouterr()
    return count, printed.out, printed.err


def test_a_list_of_thousands_is_one_table_with_one_heading(capsys):
    count, out, _ = table(capsys, pages(*[100] * 50, 1))
    lines = out.splitlines()
    assert (count, len(lines)) == (5001, 5002)
    assert lines[0].split() == ["company", "name", "products"]
    assert lines[-1].split() == ["id-005001", "Company", "5001", "a,", "b"]


def test_a_later_page_is_never_narrower_so_columns_stay_in_place(capsys):
    wide = [{"id": "x" * 20, "name": "n" * 30, "products": []}]
    narrow = [{"id": "x", "name": "n", "products": ["p"]}]
    _, out, _ = table(capsys, [wide, narrow])
    _, first, second = out.splitlines()
    assert first.index("-") == second.index("p")


def test_a_long_row_is_neither_cut_nor_wrapped_in_a_pipe(capsys):
    row = {"id": "i" * 300, "name": "long " * 200, "products": ["p" * 100]}
    _, out, _ = table(capsys, [[row]])
    assert len(out.splitlines()) == 2
    assert row["name"].strip() in out


def test_an_empty_list_says_what_to_do_and_prints_nothing_else(capsys):
    assert table(capsys, [[], []]) == (0, "", "Nothing here. Try: tools/hub x\n")


@pytest.mark.parametrize("sizes", [(), (0,), (1,), (0, 3, 0, 2)])
def test_json_is_one_array_and_hints_are_on_standard_error(capsys, sizes):
    count, out, err = table(capsys, pages(*sizes), as_json=True)
    assert [row for page in pages(*sizes) for row in page] == json.loads(out)
    assert count == sum(sizes)
    assert bool(err) == (not count)


def test_a_list_that_broke_off_is_not_valid_json(capsys):
    def broken():
        yield from pages(2)
        raise Refused(503, "no more")

    with pytest.raises(Refused):
        Output(as_json=True).table(broken(), COLUMNS, "")
    with pytest.raises(json.JSONDecodeError):
        json.loads(capsys.readouterr().out)


def test_pages_are_printed_as_they_come(capsys):
    seen = []

    def coming():
        yield from pages(1)
        seen.append(capsys.readouterr().out)
        yield from pages(1)

    Output(as_json=False).table(coming(), COLUMNS, "")
    assert "id-000001" in seen[0]


def test_a_customers_name_cannot_drive_the_terminal(capsys):
    row = {"id": "1", "name": "[red]\x1b[2J\x9b31mBob\r\a", "products": None}
    _, out, _ = table(capsys, [[row]])
    assert "[red]�[2J�31mBob��" in out
    assert "\x1b" not in out


class Terminal(io.StringIO):
    def isatty(self):
        return True

    @property
    def lines(self):
        return re.sub(r"\x1b\[\d*m", "", self.getvalue()).splitlines()


@pytest.fixture
def screen(monkeypatch):
    """Print to a terminal with the given number of columns."""

    def of(columns):
        terminal = Terminal()
        monkeypatch.setattr("sys.stdout", terminal)
        for name, value in {"COLUMNS": columns, "TERM": "xterm", "NO_COLOR": 1}.items():
            monkeypatch.setenv(name, str(value))
        return terminal

    return of


def a_row(**members):
    return {
        "id": "5b0f9c1e-7a54-4d0c-9f35-2f7d3f7c1a10",
        "name": "Bakery " * 9,
        "products": ["a"],
    } | members


def test_a_terminal_gets_ids_whole_and_wraps_the_rest(screen):
    terminal, row = screen(60), a_row()
    Output(as_json=False).table([[row]], COLUMNS, "")
    assert row["id"] in terminal.lines[1]
    assert max(map(len, terminal.lines)) <= 60
    assert " ".join(line[38:] for line in terminal.lines).count("Bakery") == 9
    assert "\x1b[3" not in terminal.getvalue()


@pytest.mark.parametrize("columns", [1, 10, 38, 54])
def test_if_the_columns_do_not_fit_each_row_becomes_lines_and_nothing_is_lost(screen, columns):
    terminal, row = screen(columns), a_row(name="Bakery [1] & café")
    count = Output(as_json=False).table([[row], [row]], COLUMNS, "")
    record = [f"company: {row['id']}", "name: Bakery [1] & café", "products: a", ""]
    assert (count, terminal.lines) == (2, record * 2)


def test_a_table_that_a_later_page_makes_too_wide_goes_on_in_lines(screen):
    terminal, short = screen(55), a_row(id="short", name="Bakery")
    Output(as_json=False).table([[short], [a_row(products="p" * 40)], [short]], COLUMNS, "")
    assert terminal.lines[0].split() == ["company", "name", "products"]
    assert terminal.lines[1].split() == ["short", "Bakery", "a"]
    assert "products: " + "p" * 40 in terminal.lines
    assert terminal.lines[-4:] == ["company: short", "name: Bakery", "products: a", ""]


@pytest.mark.parametrize("columns", [1, 12, 20, 40])
def test_facts_are_whole_however_narrow_the_terminal_is(screen, columns):
    terminal, identifier = screen(columns), a_row()["id"]
    Output(as_json=False).facts([("reconcile", identifier), ("repaired", 3)])
    shown = "".join(terminal.lines).replace(" ", "")
    assert (identifier in shown, "repaired" in shown, "3" in shown) == (True, True, True)


@pytest.mark.parametrize(("columns", "terminal"), [("1", "xterm"), ("0", "dumb"), ("x", "")])
def test_a_pipe_is_as_wide_as_it_needs_whatever_the_variables_say(
    monkeypatch, capsys, columns, terminal
):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", terminal)
    row = a_row()
    _, out, _ = table(capsys, [[row]])
    Output(as_json=False).facts([("reconcile", row["id"])])
    assert len(out.splitlines()) == 2
    assert capsys.readouterr().out == f"reconcile  {row['id']}\n"


@pytest.mark.parametrize(("value", "text"), [(None, "-"), ([], "-"), ("", "-"), (0, "0"),
                                             (False, "False"), (["a", "b"], "a, b")])  # fmt: skip
def test_a_value_becomes_text(value, text):
    assert plain(value).plain == text


def test_a_refusal_names_fields_values_what_is_allowed_and_what_next(capsys):
    errors = (
        FieldError("line 7, kind", "no kind", "x", ["custom", "standard"]),
        FieldError("other", "is missing"),
    )
    show_failure(Refused(400, "Two problems.", errors, "Correct them."))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "✗ Two problems.",
        '  line 7, kind = "x": no kind; allowed: custom, standard',
        "  other: is missing",
        "Correct them.",
    ]


def test_hundreds_of_problems_are_counted_not_all_shown(capsys):
    show_failure(Refused(400, "Many.", tuple(FieldError(f"f{n}", "bad") for n in range(70))))
    assert capsys.readouterr().err.splitlines()[-1].strip() == "and 20 more"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_name_that_standard_output_cannot_encode_is_escaped(as_json):
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": "functions:."}
    program = (
        "from tools.cli.terminal.output import Output, show_what_can_be_encoded\n"
        "show_what_can_be_encoded()\n"
        f"Output(as_json={as_json}).result({{'name': 'Bäckerei 面'}}, 'Bäckerei 面')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    text = done.stdout.decode("ascii")
    if as_json:
        assert json.loads(text) == {"name": "Bäckerei 面"}
    else:
        assert text == "B\\xe4ckerei \\u9762\n"
