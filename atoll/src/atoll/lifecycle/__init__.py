"""Start, drain, stop: the life of one process."""

from atoll.lifecycle.background import BackgroundJobs, Job, running
from atoll.lifecycle.listener import Address, Listener

__all__ = ["Address", "BackgroundJobs", "Job", "Listener", "running"]
