"""``python -m anonymizer`` is the command ``anonymize``."""

from cli import main

if __name__ == "__main__":
    main()
