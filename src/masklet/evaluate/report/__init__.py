"""A result as a page that stands alone: plots, tables, and the worst frames beside the truth."""

from masklet.evaluate.report.page import write_page

__all__ = ["write_page"]
