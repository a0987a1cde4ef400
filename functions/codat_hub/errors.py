"""The exceptions that are contracts: each is named for what the caller should do."""


class Refused(Exception):
    """Not authentic: answer 401 with the one fixed body, store nothing."""


class TooLarge(Exception):
    """Over the size limit: answer 413, store nothing."""


class TryLater(Exception):
    """A dependency is unavailable: nothing was changed, the same call may succeed later."""
