import pytest

from schemas.contract import load_contracts
from schemas.decoder import Decoder
from tests.schemas.any_event import every_type, write_contract


@pytest.fixture(scope="session")
def things(tmp_path_factory):
    """Decodes events of one type that has a field of each supported type."""
    return Decoder(load_contracts(write_contract(tmp_path_factory.mktemp("c"), every_type())))
