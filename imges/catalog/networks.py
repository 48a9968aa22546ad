"""Finds pictures by the network that they were sent from."""

from ipaddress import IPv4Network, IPv6Network

from sqlalchemy import ColumnElement, and_, not_

from imges.catalog.tables import images

MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4 addresses are stored in this network of IPv6 (see `columns.Address`)."""


def sent_from(network: IPv4Network | IPv6Network) -> ColumnElement[bool]:
    """Return a condition on a range of the index of addresses.

    A network of IPv6 matches no IPv4 address, even if it is as wide as `::/0`.
    """
    within = images.c.address.between(str(network[0]), str(network[-1]))
    if isinstance(network, IPv6Network) and network != MAPPED and network.supernet_of(MAPPED):
        return and_(within, not_(images.c.address.between(str(MAPPED[0]), str(MAPPED[-1]))))
    return within
