"""What makes a collection safe to run with real money: a file that survives a kill, calls that are billed."""
