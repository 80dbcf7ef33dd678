"""Who is told how a delivery ended, or that it is late, and what they are told."""

from .deadlines import DEADLINE_REFERENCES, delivered_by, delivered_within, export_or_due
from .notices import Notices

__all__ = ["DEADLINE_REFERENCES", "Notices", "delivered_by", "delivered_within", "export_or_due"]
