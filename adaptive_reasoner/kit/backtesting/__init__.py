"""Compare a policy with baselines and oracles on held-out questions, and measure its gain."""
