import pytest

from imges.bytesize import scaled, size_formatted


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (1024, "1 KB"),
        (17_818, "17.4 KB"),
        (53_248, "52 KB"),
        (1024**2 - 52, "1023.9 KB"),
        (1024**2 - 51, "1 MB"),
        (1024**3, "1 GB"),
        (1024**4, "1 TB"),
        (5000 * 1024**4, "5000 TB"),
    ],
)
def test_a_size_has_one_decimal_at_most_and_the_largest_unit_that_fits(size: int, text: str):
    assert size_formatted(size) == text


def test_scaled_keeps_all_decimals_for_the_languages_of_pages():
    assert scaled(1536 + 1) == (1537 / 1024, "KB")
