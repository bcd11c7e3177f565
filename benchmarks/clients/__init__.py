"""Upload clients as programs: each sends every file of a directory to the sink, and counts.

    python -m benchmarks.clients.NAME URL DIRECTORY AT_ONCE CERTIFICATE

exits 0 only when every file was taken, and prints the seconds that the sending itself took, without
the start of Python. NAME is `ours` (the deploy's own upload, ledger and all) or
a library that could have been it. Command lines of others need no program here.
"""
