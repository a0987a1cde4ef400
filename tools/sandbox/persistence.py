"""The option --state saves the sandbox to a file and reads it back."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from tools.sandbox.requests.idempotency import KeyEntry
from tools.sandbox.webhooks.model import PostState
from tools.sandbox.world.model import State


@dataclass(slots=True)
class Snapshot:
    """Everything that survives a restart."""

    world: State
    post: PostState
    keys: dict[str, KeyEntry] = field(default_factory=dict)
    last_request: int = 0


_ADAPTER = TypeAdapter(Snapshot)


def load(path: Path) -> Snapshot | None:
    """Return the saved snapshot, None without one. Raises ValueError for any other file."""
    if not path.exists():
        return None
    snapshot = _ADAPTER.validate_json(path.read_bytes())
    # Requests that were under way when the process ended will never be answered.
    snapshot.keys = {k: entry for k, entry in snapshot.keys.items() if entry.answer is not None}
    return snapshot


def save(path: Path, snapshot: Snapshot) -> None:
    """Write the whole file or nothing; a crash in between leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(_ADAPTER.dump_json(snapshot))
    draft.replace(path)
