"""Why a process cannot start."""


class StartFailed(Exception):
    """Something that the process needs is not to be had; the message is one sentence for whoever started it."""
