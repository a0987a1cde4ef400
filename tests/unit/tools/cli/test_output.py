"""What commands print: one JSON document or a table, whole whatever the terminal, harmless."""

import io
import json
import re

import pytest

from tools.cli.failures import FieldError, Refused
from tools.cli.output import Column, Output, plain, show_failure

COLUMNS = [
    Column("company", lambda one: one["id"], whole=True),
    Column("name", lambda one: one["name"]),
    Column("products", lambda one: one["products"]),
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
    assert [one for page in pages(*sizes) for one in page] == json.loads(out)
    assert count == sum(sizes)
    assert bool(err) == (not count)


def test_a_list_that_broke_off_is_no_whole_json(capsys):
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


def test_a_terminal_gets_ids_whole_and_wraps_the_rest(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    row = {"id": "5b0f9c1e-7a54-4d0c-9f35-2f7d3f7c1a10", "name": "Bakery " * 9, "products": ["a"]}
    Output(as_json=False).table([[row]], COLUMNS, "")
    lines = re.sub(r"\x1b\[\d*m", "", screen.getvalue()).splitlines()
    assert row["id"] in lines[1]
    assert max(map(len, lines)) <= 60
    assert " ".join(line[38:] for line in lines).count("Bakery") == 9
    assert "\x1b[3" not in screen.getvalue()


@pytest.mark.parametrize(("value", "text"), [(None, "-"), ([], "-"), ("", "-"), (0, "0"),
                                             (False, "False"), (["a", "b"], "a, b")])  # fmt: skip
def test_a_value_becomes_text(value, text):
    assert plain(value).plain == text


def test_a_refusal_names_fields_values_what_is_allowed_and_what_next(capsys):
    errors = (
        FieldError("line 7, kind", "no kind", "x", ["custom", "standard"]),
        FieldError("other", "is missing"),
    )
    show_failure(Refused(400, "Two problems.", errors, "Mend them."))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "✗ Two problems.",
        '  line 7, kind = "x": no kind; allowed: custom, standard',
        "  other: is missing",
        "Mend them.",
    ]


def test_hundreds_of_problems_are_counted_not_all_shown(capsys):
    show_failure(Refused(400, "Many.", tuple(FieldError(f"f{n}", "bad") for n in range(70))))
    assert capsys.readouterr().err.splitlines()[-1].strip() == "and 20 more"
