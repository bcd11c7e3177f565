"""Everything that a deploy needs, looked at before it changes anything.

diagnosis.py   findings, and how checks are run: at once, each with a deadline, none hiding others
machine.py     checks of this machine and project: build, secrets, template, Docker
account.py     checks of AWS: credentials, roles, limits, what stands there
examine.py     the whole examination
"""
