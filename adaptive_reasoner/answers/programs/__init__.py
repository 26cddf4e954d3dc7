"""Code in replies: compared by what it is, and graded by its tests."""
