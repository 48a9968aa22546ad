"""What operators do with all of their pictures: check and mend, move, import and export, back up.

Each use case reports its progress. It may run beside a server, and it may be killed and run again.
"""
