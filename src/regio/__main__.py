"""`python -m regio` is the `regio` command."""

from regio.cli import main

if __name__ == "__main__":
    main()
