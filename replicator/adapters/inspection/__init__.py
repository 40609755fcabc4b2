"""Looks at what surrounds the service, for the doctor: nothing here copies, and only the canary writes."""
