"""What use cases need of a queue of ids."""

from typing import Protocol


class IdSender(Protocol):
    """A queue that holds a run's id until the run is over."""

    def send(self, run_id: str) -> None: ...
