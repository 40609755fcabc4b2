"""The doors. Only this package knows HTTP; what is behind the doors does not."""
