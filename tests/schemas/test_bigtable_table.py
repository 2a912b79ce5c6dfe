import pytest

from schemas.bigtable_table import FAMILIES, TableName

NAME = "projects/my-project/instances/i1/tables/features_v2"


def test_a_name_comes_apart_and_together_again():
    table = TableName.parse(NAME)
    assert table == ("my-project", "i1", "features_v2")
    assert str(table) == NAME
    assert table.instance_path == "projects/my-project/instances/i1"


@pytest.mark.parametrize(
    "name", ["", "t", NAME + "/x", "projects//instances/i/tables/t", NAME + " "]
)
def test_a_name_of_another_form_is_refused_with_the_right_one(name):
    with pytest.raises(ValueError, match="projects/PROJECT/instances/INSTANCE/tables/TABLE"):
        TableName.parse(name)


def test_state_keeps_one_version_and_tiles_are_kept_by_age():
    keeps = {family.name: (family.max_versions, family.max_age_days) for family in FAMILIES}
    assert keeps == {"s": (1, None), "t": (None, 30)}
