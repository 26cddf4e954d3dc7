"""Running programs of strangers where they can do no harm."""
