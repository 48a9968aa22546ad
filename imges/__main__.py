"""`python -m imges`, and the `imges` command."""

from imges.cli.main import main

if __name__ == "__main__":
    main()
