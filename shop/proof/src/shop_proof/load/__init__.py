"""`atoll load`: buyers at the public door, at a given concurrency or rate, for a given time.

plan.py       what was asked for
running.py    prepares buyers and shelves, then keeps all hands busy    ← start here
arrivals.py   when the next one comes: as soon as a hand is free, or on schedule
actions.py    what a buyer does: place, cancel, read, repeat
insisting.py  asks again, with the same key, until there is an answer that counts
door.py       one request and its answer, in the history before and after
people.py     buyers and the administrator, signed in
shelves.py    what there is to buy
tally.py      what came of it, and how long it took (latencies.py)
view.py       the live line; summary.py the table at the end
"""
