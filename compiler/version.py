"""The one place where the version stands: the package's metadata and every emitted header read it here."""

VERSION = "0.1.0"
