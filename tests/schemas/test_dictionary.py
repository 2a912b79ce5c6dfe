from local.write_docs import pages
from schemas.contract import load_contracts
from schemas.dictionary import dictionary_page
from tests.schemas.any_event import SHIPPED, a_contract, every_type, field, write_contract


def test_the_generated_pages_are_not_stale():
    stale = [path.name for path, text in pages().items() if path.read_text() != text]
    assert stale == [], "run make docs"


def test_the_dictionary_names_every_field_of_every_type(tmp_path):
    contracts = load_contracts(write_contract(tmp_path, every_type()))
    page = dictionary_page(contracts)
    for name in contracts.types["thing"].fields:
        assert f"| `{name}` |" in page
    for path in ("`parts[].label`", "`by_name{}.n`", "`more.deep.label`", "`event_id`"):
        assert path in page
    assert "One of `red`, `green`." in page
    assert "decimal(6, 2)" in page
    assert "Absent: `here`." in page


def test_the_dictionary_says_what_is_personal():
    rows = dictionary_page(SHIPPED).splitlines()
    assert [row for row in rows if row.startswith("| `ip_address` | string | yes | dropped |")]
    assert [row for row in rows if row.startswith("| `email` | string |  | pseudonym |")]


def test_a_text_cannot_break_the_table(tmp_path):
    spec = a_contract(field("a", "string", doc="one | two\nthree"))
    page = dictionary_page(load_contracts(write_contract(tmp_path, spec)))
    assert "| `a` | string |  |  | one \\| two three |" in page


def test_a_type_without_fields_has_a_page_too(tmp_path):
    page = dictionary_page(load_contracts(write_contract(tmp_path, a_contract())))
    assert "No fields of its own." in page
