"""Tables of rows: read and write files, check fields, split by question, bootstrap means."""
