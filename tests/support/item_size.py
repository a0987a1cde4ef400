"""The size of an item as DynamoDB counts it."""


def size_of(item) -> int:
    """Return the bytes that DynamoDB bills by its documented rules; exact enough for a budget."""
    kind, value = next(iter(item.items()))
    if kind == "M":
        return 3 + sum(len(name) + 1 + size_of(part) for name, part in value.items())
    if kind == "L":
        return 3 + sum(1 + size_of(part) for part in value)
    return len(value) // 2 + 2 if kind == "N" else len(str(value))
