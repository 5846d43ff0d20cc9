"""Why a value or a gradient is what it is: the sum of which terms, how many layers down one likes."""

from caffelite.inspection.why.why import Term, Why, why

__all__ = ["Term", "Why", "why"]
