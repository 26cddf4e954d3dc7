"""Outcomes, a policy and a backtest become one HTML page: measure, write sections and figures, render."""
