"""`python -m adaptive_reasoner` is the command `adaptive-reasoner`."""

from adaptive_reasoner.cli import main

if __name__ == "__main__":
    main()
