"""Samples from the logs of other tools: traces, chat logs, batches and tables of replies."""
