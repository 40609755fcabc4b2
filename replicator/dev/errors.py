"""Why the stack came to an end."""


class StackError(Exception):
    """The stack cannot go on. The text is for the person who started it."""


class Interrupted(Exception):
    """Somebody asked the stack to end."""
