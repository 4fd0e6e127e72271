"""`python -m starwhale.cli` is `swcli`."""

from starwhale.cli import main

main()
