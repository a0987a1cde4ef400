"""Everything at once, from one seed: calls of AWS and of Codat fail, functions are killed."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tools.faults.codat import CodatFaults
from tools.faults.draw import rules
from tools.faults.killer import Killer
from tools.faults.stack import FaultyStack


@dataclass
class Storm:
    """What came, once it is over: `aws` by kind, `operations` by name, `killed` by function."""

    seed: int
    calls: int = 0
    aws: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    codat: int = 0


@contextmanager
def storm(
    local: FaultyStack, seed: int, share: float = 0.02, *, kill: float = 5.0, only: str = ""
) -> Iterator[Storm]:
    """Let about `share` of all calls fail, and a function die every `kill` seconds on average.

    only: a word of the names of the functions that may die
    """
    found = Storm(seed)
    before, fired_before = local.proxy.calls(), len(local.proxy.fired())
    killer = Killer(local.emulator.process.pid() or 0, seed, seconds=kill, only=only)
    codat = CodatFaults(local.described["sandbox_url"], seed, share)
    local.proxy.set_rules(rules(seed, share))
    try:
        with killer.at_work(), codat.at_work():
            yield found
    finally:
        local.proxy.set_rules([])
        fired = local.proxy.fired()[fired_before:]
        found.calls = local.proxy.calls() - before
        found.aws = Counter(fault.action for fault in fired)
        found.operations = Counter(f"{fault.service}.{fault.operation}" for fault in fired)
        found.killed, found.codat = killer.killed, codat.asked_for
