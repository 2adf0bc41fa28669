"""`python -m blemish.cli`."""

from blemish.cli import main

main()
