"""What operators do with all of their pictures: check and mend, move, import and export, back up.

fsck          compares catalog and storages; `fsck_rows` and `fsck_objects` repair what it finds
migrate       moves pictures to another place
importing     takes in pictures of other hosts, with what an export or a dump says about them
├─ hosts        a file for each kind of host: its database, its files, its addresses
├─ source       all that is known before a file is touched: list, dump, map of addresses
├─ mending      what a better dump adds to pictures that are here already
└─ trial        what an import would do
exporting     writes originals, and the list that `importing` reads
rebuild       makes thumbs and mediums again
backup        one archive of the catalog, the guests' key and the settings
context       what all of them work with

Each use case reports its progress. It may run beside a server, and it may be killed and run again.
"""
