"""What a log of live traffic tells: the value of policies that did not choose, and of an update."""
