"""``python -m edge.cli``: the same as ``pems``; the daemon starts its processes this way."""

from edge.cli import main

main()
