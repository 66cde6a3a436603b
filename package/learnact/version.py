"""The one place where the version stands: the package's metadata and every emitted header read it here."""

__version__ = "0.1.0"
