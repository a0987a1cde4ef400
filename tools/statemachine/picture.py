"""The picture of a run, made from the table.

It is a Mermaid flowchart, because a state diagram only runs down: here the first links, which are
invisible, hold each undo beside its activity, so that the rollback runs up.
"""

from itertools import groupby
from typing import Final

from tools.statemachine import saga
from tools.statemachine.rows import (
    Activity,
    Failure,
    Part,
    Person,
    Row,
    Step,
    Success,
    Undo,
    headed,
)

BEGIN: Final = "<!-- saga: begin -->"
END: Final = "<!-- saga: end -->"

_ROWS: Final = list(headed(saga.THERE))
_HEADINGS: Final = list(dict.fromkeys(heading for heading, _ in _ROWS))
_ACTIVITIES: Final = [heading for heading in _HEADINGS if isinstance(heading, Activity)]
_UNDOS: Final = [heading for heading in _HEADINGS if isinstance(heading, Undo)]
_PEOPLE: Final = [row for _, row in _ROWS if isinstance(row, Person)]


def placed(document: str) -> str:
    """Return the document with the picture between its two marks."""
    before, _, rest = document.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n```mermaid\n{picture()}```\n{END}{after}"


def picture() -> str:
    """Return the picture in Mermaid."""
    up = ["RolledBack", *map(_node, _UNDOS)]
    lines = [
        " ~~~ ".join(up),
        *(f'{_node(heading)}["{_label(heading)}"]' for heading in _HEADINGS),
        *(f'{person.state}(["{_person(person)}"])' for person in _PEOPLE),
        " --> ".join(_forward()),
        *_answers(),
        *(f"{_node(failing)} -. fails .-> {_node(entered_by(failing))}" for failing in _ACTIVITIES),
        "Plan & AwaitApproval & Snapshot -. fails .-> FailedBeforeAnyChange",
        " ==> ".join(reversed(up)),
        f"{' & '.join(up[1:])} -. fails .-> RollbackIncomplete",
        "classDef person fill:#fff3c4,stroke:#b58900,color:#000",
        f"class {','.join(row.state for row in _PEOPLE)} person",
    ]
    return "flowchart TD\n" + "".join(f"    {line}\n" for line in lines)


def entered_by(activity: Activity) -> Undo:
    """Return the undo that a failure of an activity enters."""
    return [undo for undo in _UNDOS if undo.number <= activity.number][-1]


def _node(heading: Part, row: Row | None = None) -> str:
    """Return the node of a row: the rows of a heading share one; people and ends have their own."""
    if isinstance(row, Person | Success | Failure):
        return row.state
    match heading:
        case Activity(number=number):
            return f"A{number}"
        case Undo(number=number):
            return f"U{number}"
    return heading.title.title().replace(" ", "")


def _label(heading: Part) -> str:
    node = _node(heading)
    states = [row.state for part, row in _ROWS if _node(part, row) == node]
    return "<br/>".join([f"<b>{heading.numbered(heading.title)}</b>", *states])


def _person(person: Person) -> str:
    return f"<b>{person.state}</b><br/>up to {person.hours} h<br/>{person.comment}"


def _forward() -> list[str]:
    """Return the nodes of a run that goes straight."""
    nodes = [
        _node(heading, row)
        for heading, row in _ROWS
        if not (isinstance(heading, Undo) or isinstance(row, Failure) or row.on)
    ]
    return [node for node, _ in groupby(nodes)]


def _answers() -> list[str]:
    """Return the links that only certain answers take."""
    node = {row.state: _node(heading, row) for heading, row in _ROWS}
    links = []
    for heading, row in _ROWS:
        here, own = _node(heading), node[row.state]
        if row.on and own != here:
            back = isinstance(row, Person) and not row.then
            links.append(f"{here} {'<' if back else ''}-- {row.on} --> {own}")
        if row.then:
            links.append(f"{own} --> {node[row.then]}")
        if isinstance(row, Step):
            others = {answer: node[state] for answer, state in row.answers.items()}
            links += [f"{here} -- {answer} --> {to}" for answer, to in others.items() if to != here]
    return links
