"""`python -m sculptnet` is the command `sculptnet`."""

from sculptnet.cli import main

main()
