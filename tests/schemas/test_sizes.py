import pytest

from schemas.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("128MB", 128 * 10**6),
        (" 1.5 gb", 1_500_000_000),
        ("2tb", 2 * 10**12),
        ("7B", 7),
        ("64 MiB", 2**26),
        ("1.5gib", 3 * 2**29),
        ("1KiB", 1024),
    ],
)
def test_a_size_is_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "-1", "1 MIT", "1iB", "1e3", "1,5GB", "\u0661MB", "9" * 16]
)
def test_what_is_no_size_is_refused_with_the_remedy(text):
    with pytest.raises(
        ValueError, match="write a number and its unit, such as 500KB, 128MB or 1GiB"
    ):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1_234_567, "1.23 MB"), (10**12, "1 TB"), (999_999, "1000 KB")]
)
def test_a_size_is_shown_with_three_digits(size, text):
    assert format_size(size) == text
