"""Run a function one port call at a time, so that two of them interleave in every order."""

from collections.abc import Callable, Iterator
from itertools import combinations


class _Pause(BaseException):
    """The next call of a port is not this function's turn yet."""


class Stepped:
    """A run of a function with observed ports; each step replays its calls so far."""

    def __init__(self, ports: dict, run: Callable):
        self._ports, self._run, self._answers = ports, run, []
        self.over = False

    def step(self) -> str | None:
        """Make one more call; return its name, None if the function is over."""
        if self.over:
            return None
        replay, made = iter(self._answers), []

        def call(name, port, method, arguments, keywords):
            for answer in replay:
                return answer
            if made:
                raise _Pause
            made.append(f"{name}.{method}")
            answer = getattr(port, method)(*arguments, **keywords)
            self._answers.append(answer)
            return answer

        try:
            self._run(**{name: _Recorded(name, port, call) for name, port in self._ports.items()})
        except _Pause:
            return made[0]
        self.over = True
        return made[0] if made else None

    def finish(self):
        while not self.over:
            self.step()


class _Recorded:
    def __init__(self, name, port, call):
        self._name, self._port, self._call = name, port, call

    def __getattr__(self, method):
        def called(*arguments, **keywords):
            return self._call(self._name, self._port, method, arguments, keywords)

        return called


def orders(first: int, second: int) -> Iterator[list[int]]:
    """Yield every order of `first` zeros and `second` ones."""
    for places in combinations(range(first + second), second):
        chosen = set(places)
        yield [int(place in chosen) for place in range(first + second)]
