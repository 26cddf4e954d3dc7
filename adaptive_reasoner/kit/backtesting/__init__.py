"""Split a table, train and play policies and baselines on held-out questions, and measure their lift."""
