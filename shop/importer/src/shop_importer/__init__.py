"""Sends a catalogue file to the running shop.

__main__.py   the command `atoll import FILE`     ← start here
shop.py       the shop behind its gateway
progress.py   how far the file is: a bar on a terminal, lines elsewhere
summary.py    what became of the rows
"""
