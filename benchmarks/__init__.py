"""Side by side with the peers, in one run: only ratios taken together mean anything."""
