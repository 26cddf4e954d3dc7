"""Right answers from persons: which questions to ask them about, and how their answers come back."""
