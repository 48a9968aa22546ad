"""What operators do with all of their pictures: check and mend, move, import and export, back up.

fsck          compares catalog and storages; `fsck_rows` and `fsck_objects` repair what it finds
migrate       moves pictures to another place
importing     takes in trees of date folders, with what an export or another program says about them
exporting     writes originals, and the list that `importing` reads
rebuild       makes thumbs and mediums again
backup        one archive of the catalog, the guests' key and the settings
context       what all of them work with

Each use case reports its progress. It may run beside a server, and it may be killed and run again.
"""
