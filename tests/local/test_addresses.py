"""Addresses of local services are on the loopback device and nowhere else."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.addresses import given_address, is_loopback, split_address
from local.errors import ServiceError


@given(st.ip_addresses(), st.integers(1, 65535))
def test_an_address_is_taken_apart_into_what_it_was_made_of(host, port):
    text = f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"
    assert split_address(text) == (str(host), port)
    assert split_address(f"http://{text}/") == (str(host), port)


@given(st.ip_addresses(v=4))
def test_of_the_addresses_only_those_in_127_are_loopback(host):
    assert is_loopback(str(host)) == (host in ipaddress.ip_network("127.0.0.0/8"))
    assert is_loopback(f"::ffff:{host}") == is_loopback(str(host))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "::1", "127.8.8.8"])
def test_the_names_and_numbers_of_this_machine_are_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["pubsub.googleapis.com", "localhost.example.com", "0.0.0.0", "127.0.0.1.nip.io", ""]
)
def test_names_that_only_look_like_this_machine_are_not_loopback(host):
    assert not is_loopback(host)


def test_an_unset_or_empty_variable_gives_no_address():
    assert given_address("A_HOST", {}) is None
    assert given_address("A_HOST", {"A_HOST": ""}) is None


@pytest.mark.parametrize(
    ("given_text", "address"),
    [
        ("localhost:8085", "localhost:8085"),
        ("http://127.0.0.1:9023/", "127.0.0.1:9023"),
        ("[::1]:1", "[::1]:1"),
    ],
)
def test_a_loopback_address_is_given_back_without_scheme(given_text, address):
    assert given_address("A_HOST", {"A_HOST": given_text}) == address


@pytest.mark.parametrize("value", ["8085", "localhost", "localhost:", "localhost:0", ":80", "a:b"])
def test_what_is_no_address_is_refused_in_one_line_that_names_the_variable(value):
    with pytest.raises(ServiceError, match=r"^A_HOST: .* is not HOST:PORT; .*unset A_HOST$"):
        given_address("A_HOST", {"A_HOST": value})


@pytest.mark.parametrize(
    "value", ["pubsub.googleapis.com:443", "10.0.0.1:8085", "[2001:db8::1]:80"]
)
def test_an_address_outside_this_machine_is_refused(value):
    with pytest.raises(ServiceError, match="not on this machine"):
        given_address("A_HOST", {"A_HOST": value})
