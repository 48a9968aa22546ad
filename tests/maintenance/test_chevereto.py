"""The encoded ids of a Chevereto. `test_import` imports a Chevereto with its dump."""

from imges.maintenance.chevereto import id_encoder

REAL = ["Nef", "uve", "7tz", "xsq", "2k0", "5Io", "X2B"]
"""What a fresh Chevereto-Free 1.6.2 answered as `id_encoded` of its first pictures (crypt_salt e607f64d, id_padding
5000)."""


def test_ids_are_those_that_a_real_chevereto_gave():
    assert list(map(id_encoder("e607f64d", 5000), range(1, 8))) == REAL


def test_without_padding_the_number_itself_is_encoded():
    encode = id_encoder("e607f64d", 0)
    assert [len(encode(number)) for number in (1, 61, 62, 62**2 - 1, 62**2)] == [1, 1, 2, 2, 3]
    assert len(set(map(encode, range(1, 5000)))) == 4999
    assert encode(5000) == REAL[0]
