"""The version of this program; the package's metadata and `--version` both read it here."""

__version__ = "0.1.0"
