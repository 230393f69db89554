"""Mark text for translation without translating it yet, for modules that may not import Django."""


def N_(message: str) -> str:
    """Return `message` unchanged: extraction finds it, and the page translates it."""
    return message
