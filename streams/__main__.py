"""`python -m streams` is the `funnelproof` command."""

from streams.cli import main

if __name__ == "__main__":
    main()
