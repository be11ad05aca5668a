"""A service's data, out of one database and into another, whatever their engines.

alone.py       that nobody else is at work there
tables.py      which tables there are, as each engine tells it
rows.py        rows as text, the same for every engine, and sums that do not depend on their order
file.py        the file between: lines of JSON
exporting.py   from a database to a file
importing.py   from a file to an empty database, read back and compared
"""

from atoll.storage.transfer.exporting import export_data
from atoll.storage.transfer.file import TransferFailed
from atoll.storage.transfer.importing import import_data

__all__ = ["TransferFailed", "export_data", "import_data"]
