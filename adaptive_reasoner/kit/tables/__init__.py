"""Tables in files: rows, fields, splits, intervals.."""
