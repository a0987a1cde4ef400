"""The queues that use cases send to."""

from typing import Protocol


class IdSender(Protocol):
    """A queue of run ids; a message stays until its run is over."""

    def send(self, run_id: str) -> None:
        """Hand a run over to the function that works on it. Raises Unavailable."""
        ...

    def send_later(self, run_id: str, seconds: int) -> None:
        """Do the same after some seconds, 900 at most. Raises Unavailable."""
        ...
