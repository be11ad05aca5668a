"""How much one caller may ask for in a window of time: policies, windows and the port to where they are counted."""
