"""The oracle: outcomes of questions become the best allocation of a budget, and the uniform hull to beat."""
