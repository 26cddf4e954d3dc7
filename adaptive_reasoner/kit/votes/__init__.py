"""Votes replayed over recorded samples, and what is learned from them.."""
