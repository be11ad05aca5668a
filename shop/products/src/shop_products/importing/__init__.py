"""Reading a catalogue in the columns of a Shopify product export: bytes in pieces → variants. No I/O.

catalogue_file.py  all of it joined: what one file holds, found as its bytes come      ← start here
text.py            bytes → text, whatever the encoding
separators.py      what stands between two cells
csv_rows.py        text → rows of cells
columns.py         the header, and which cell of a row is what
shopify_rows.py    rows → variants, with what their product's first row said
cells.py           one cell → a name, a price, a stock
html_text.py       HTML → text
found.py           what was found in a row
reporting.py       what became of the rows, in bounded memory
"""
