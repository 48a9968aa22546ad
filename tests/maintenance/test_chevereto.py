"""The encoded ids of a Chevereto. `test_import` imports a Chevereto with its dump."""

from imges.maintenance.chevereto import id_encoder


def test_ids_are_encoded_as_a_chevereto_does():
    """The expected letters are those that PHP 8.2 sorts (array_multisort by the digits of the SHA-512, downwards)."""
    encode = id_encoder("751b13d3", 0)
    assert "".join(map(encode, range(1, 62))) == "Ll7Ecw8BdqAMPbio6Qejk5RTWfvNgsu0DGHJKSZmzUp2IOa14FtCxXyhn3VYr"
    assert [encode(n) for n in (1, 2, 61, 62, 63)] == ["L", "l", "r", "L9", "LL"]
    assert id_encoder("751b13d3", 62)(1) == "L9"
