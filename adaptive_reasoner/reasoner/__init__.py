"""Decide, reserve, run, settle: one question from its decision to its bill."""
