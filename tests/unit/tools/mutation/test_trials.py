import importlib
import sys

from codat_hub.refresh import domain
from codat_hub.refresh.domain import backoff
from tools.mutation.mutant import Mutant
from tools.mutation.trials import Mutated


def test_a_mutant_is_imported_in_place_of_its_module(monkeypatch):
    mutant = Mutant("functions/codat_hub/refresh/domain/backoff.py", 1, "", "", "wait = 1", 1)
    monkeypatch.setattr(domain, "backoff", backoff)  # an import replaces it
    monkeypatch.delitem(sys.modules, backoff.__name__)
    monkeypatch.setattr(sys, "meta_path", [Mutated(mutant), *sys.meta_path])
    assert importlib.import_module(backoff.__name__).wait == 1
