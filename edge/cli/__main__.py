"""``python -m edge.cli``: the same as ``pems``; the daemon starts its processes this way."""

from edge.cli import main

if __name__ == "__main__":
    main()
