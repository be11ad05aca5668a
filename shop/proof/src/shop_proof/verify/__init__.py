"""`atoll verify`: what the databases hold and the clients were told, against promises 1 to 12, and 16.

records.py    rows of the three databases, as they are
testimony.py  what clients asked for and were told, by order, key, product and user
evidence.py   both joined: one product's books, one order's case
promises/     one promise, one file: looks at the evidence piece by piece, and comes to a verdict
judging.py    shows all the evidence to all the promises                                       ← start here
quiet.py      waits until nothing is pending
report.py     the verdict in lines, or as JSON
"""
