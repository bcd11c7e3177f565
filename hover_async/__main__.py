"""`python -m hover_async`: the same as `hover-async`."""

from hover_async.cli.main import main

main()
