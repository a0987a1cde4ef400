"""Runs tests against mutants, each in a forked process that has every package imported already."""

import contextlib
import gc
import importlib
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

from tools.mutation.modules import CODE
from tools.mutation.mutant import Mutant
from tools.samconfig import ROOT

_CACHE: Final = ROOT / ".local" / "mutation-cache"
# Imported once, before the forks. The package under test is not: each fork imports its mutant.
_PACKAGES: Final = (
    *("pytest", "hypothesis", "moto", "boto3", "httpx", "pydantic", "time_machine"),
    *("aws_lambda_powertools.event_handler", "schemathesis.pytest.plugin", "xdist.plugin"),
)
_SLOWER: Final = 5  # times the unchanged code's time, and
_GRACE_SECONDS: Final = 15
_MEMORY: Final = 6 << 30
_PASSED: Final = 0


class NotGreen(Exception):
    """The tests fail without any change."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said to a mutant. One that never ends is noticed too."""

    mutant: Mutant
    noticed: bool


class Trials:
    """Runs mutants, `jobs` at a time."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        sys.dont_write_bytecode = False
        sys.pycache_prefix = str(_CACHE)
        for package in _PACKAGES:
            importlib.import_module(package)
        gc.freeze()

    def __call__(self, mutants: Sequence[Mutant], tests: Sequence[Path]) -> Iterator[Verdict]:
        """Yield a verdict for each mutant, in any order. Raises NotGreen."""
        limit = _SLOWER * self._unchanged(tests) + _GRACE_SECONDS
        waiting, running = list(mutants), dict[ForkProcess, tuple[Mutant, float]]()
        while waiting or running:
            while waiting and len(running) < self._jobs:
                mutant = waiting.pop(0)
                running[_started(mutant, tests)] = mutant, time.monotonic() + limit
            for process in _ended(running):
                mutant, _ = running.pop(process)
                yield Verdict(mutant, noticed=process.exitcode != _PASSED)

    def _unchanged(self, tests: Sequence[Path]) -> float:
        """Return how many seconds the tests take without any change."""
        began = time.monotonic()
        process = _started(None, tests)
        process.join()
        if process.exitcode != _PASSED:
            names = " ".join(str(test.relative_to(ROOT)) for test in tests)
            raise NotGreen(f"Tests fail without any change: pytest {names}")
        return time.monotonic() - began


def _started(mutant: Mutant | None, tests: Sequence[Path]) -> ForkProcess:
    process = multiprocessing.get_context("fork").Process(target=_run, args=(mutant, tests))
    process.start()
    return process


def _ended(running: dict[ForkProcess, tuple[Mutant, float]]) -> list[ForkProcess]:
    """Return processes that ended, after killing those that take too long."""
    wait([process.sentinel for process in running], timeout=1)
    for process, (_, deadline) in running.items():
        if time.monotonic() > deadline:
            process.kill()
            process.join()
    return [process for process in running if process.exitcode is not None]


def _run(mutant: Mutant | None, tests: Sequence[Path]) -> None:
    """Run in the fork: the tests against one mutant, silently."""
    import pytest  # noqa: PLC0415 - hypothesis must get its folder in the fork
    from hypothesis.configuration import set_hypothesis_home_dir  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    set_hypothesis_home_dir(_CACHE / "hypothesis")
    if mutant:
        sys.meta_path.insert(0, Mutated(mutant))
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
    code = 1
    with contextlib.suppress(BaseException):
        code = int(pytest.main([*arguments, *map(str, tests)]))
    os._exit(code)


class Mutated(MetaPathFinder):
    """Imports the mutant in place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._path = str(ROOT / mutant.file)
        self._name = ".".join((ROOT / mutant.file).relative_to(CODE.parent).with_suffix("").parts)
        self._source = mutant.source

    def find_spec(
        self,
        fullname: str,
        path: object,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _Loader(fullname, self._path, self._source)
        return spec_from_file_location(fullname, self._path, loader=loader)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        return compile(self._source, self.path, "exec")
