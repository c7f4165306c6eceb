"""tinyops: a declarative GitOps build system for TinyML."""

__version__ = "0.1.0"
