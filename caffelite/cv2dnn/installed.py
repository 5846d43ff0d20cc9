"""The OpenCV that is installed, if there is one."""

from types import ModuleType

from caffelite.core.data import image
from caffelite.core.errors import DataError


def opencv_or_none() -> ModuleType | None:
    """Return the module cv2, None if it is not installed."""
    try:
        return image.opencv()
    except DataError:
        return None


def opencv(what: str) -> ModuleType:
    """Return the module cv2; DataError, which names `what` and the extra that brings it, if it is not installed."""
    module = opencv_or_none()
    if module is None:
        raise DataError(f"{what} is OpenCV's own, which is not installed: pip install 'caffelite[image]'")
    return module
