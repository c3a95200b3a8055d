"""`python -m adamesh` is the command `adamesh`."""

from adamesh.cli import main

main()
