"""What holds for every test."""

from hypothesis import settings

# Of hypothesis's deadline of 200 ms a busy machine makes failures that no second run shows.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
