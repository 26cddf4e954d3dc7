"""Graphs that `langgraph dev` serves, one a module."""
