"""One YAML file fills a whole Community Inclusion Currency stack with people, and proves that every one of them arrived."""

__version__ = "0.1.0"
