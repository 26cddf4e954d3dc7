"""Grade samples again: by another grader, by a judge, or by right answers that came later."""
