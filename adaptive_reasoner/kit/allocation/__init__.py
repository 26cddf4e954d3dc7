"""The oracle: the best allocation of a budget over questions whose outcomes are known."""
