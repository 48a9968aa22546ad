"""What operators do with all of their pictures: check and mend, move, bring in and take out, back up.

Each is a use case that reports its progress, may run beside a running server, and may be killed and run again.
"""
