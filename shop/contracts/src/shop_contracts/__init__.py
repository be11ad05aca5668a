"""What the shop's services say to each other: the models of their calls."""
