"""The embedded stack behind `make run`; nothing else imports it."""
