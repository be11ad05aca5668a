"""What clients sent and were answered: a file of JSON lines, from which the whole run can be told again."""

from shop_proof.history.reading import Answer, History, HistoryUnreadable, Request, read_histories
from shop_proof.history.writing import HistoryFile, NoHistory, Recorder

__all__ = [
    "Answer",
    "History",
    "HistoryFile",
    "HistoryUnreadable",
    "NoHistory",
    "Recorder",
    "Request",
    "read_histories",
]
