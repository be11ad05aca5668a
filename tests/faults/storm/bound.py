"""How much a number of trials without a single failure says."""

CONFIDENCE = 0.95


def upper_bound(trials: int) -> float:
    """With no failure in so many trials: at 95 %, the share that fails is at most this.

    Exactly 1 - 0.05^(1/n); for more than 30 trials that is nearly 3/n, the "rule of three" (J. A. Hanley and A.
    Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249, 1983). 1 for no trials.
    """
    return 1.0 if trials == 0 else 1.0 - (1.0 - CONFIDENCE) ** (1.0 / trials)


def sentence(trials: int) -> str:
    """`0 of 300: under 1.0 % each, at 95 %`."""
    return f"0 of {trials:,}: under {upper_bound(trials) * 100:.2g} % each, at 95 %"
