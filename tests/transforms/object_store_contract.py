"""What every object store keeps to: run for local folders and, in tests/emulators, for a bucket."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from transforms.object_store import (
    Listed,
    ObjectStoreError,
    create_object,
    delete_object,
    list_folders,
    list_objects,
    read_object,
    read_objects,
    replace_object,
    update_object,
)

THREADS = 8


def at_once(action):
    """Call `action(number)` in eight threads that start together; return what they returned."""
    barrier = threading.Barrier(THREADS)

    def act(number):
        barrier.wait()
        return action(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(act, range(THREADS)))


def one_more(content):
    return str(int(content or b"0") + 1).encode()


def paths(place, suffix=""):
    return [listed.path.removeprefix(f"{place}/") for listed in list_objects(place, suffix)]


class ObjectStoreContract:
    """Subclasses give `place`, an empty folder, as a fixture."""

    def test_an_object_is_created_once_and_left_as_it_is(self, place):
        path = f"{place}/a/b/c.bin"
        assert read_object(path) is None
        assert create_object(path, b"first")
        assert not create_object(path, b"second")
        assert read_object(path) == b"first"

    def test_of_many_that_create_an_object_at_once_one_succeeds(self, place):
        for attempt in range(3):
            path = f"{place}/new/{attempt}.bin"
            created = at_once(lambda number, path=path: create_object(path, b"%d" % number * 999))
            assert created.count(True) == 1
            assert read_object(path) == b"%d" % created.index(True) * 999
        assert paths(place) == ["new/0.bin", "new/1.bin", "new/2.bin"]

    def test_a_large_object_is_created_once_too(self, place):
        # Cloud Storage takes more than 8 MiB in several requests.
        contents = [bytes([number]) * (9 << 20) for number in range(THREADS)]
        created = at_once(lambda n: n < 3 and create_object(f"{place}/large", contents[n]))
        assert created.count(True) == 1
        assert read_object(f"{place}/large") == contents[created.index(True)]
        assert not create_object(f"{place}/large", contents[7])

    def test_a_replaced_object_has_its_new_content_whether_there_was_one_or_not(self, place):
        path = f"{place}/a.bin"
        for content in (b"longer content", b"short", b""):
            replace_object(path, content)
            assert read_object(path) == content
        assert paths(place) == ["a.bin"]

    def test_a_reader_sees_the_old_or_the_new_content_and_never_half_of_one(self, place):
        path = f"{place}/a.bin"
        replace_object(path, b"0" * 100_000)
        seen, done = [], threading.Event()

        def read():
            while not done.is_set():
                seen.append(read_object(path))

        reader = threading.Thread(target=read)
        reader.start()
        for number in itertools.islice(itertools.cycle(b"123456789"), 30):
            replace_object(path, bytes([number]) * 100_000)
        done.set()
        reader.join()
        assert seen
        assert {(len(content), len(set(content))) for content in seen} == {(100_000, 1)}

    def test_an_update_sees_what_is_there_and_may_leave_it(self, place):
        path = f"{place}/deep/marker.json"
        seen = []
        assert not update_object(path, seen.append)
        assert read_object(path) is None
        assert update_object(path, one_more)
        assert update_object(path, one_more)
        assert not update_object(path, seen.append)
        assert (read_object(path), seen) == (b"2", [None, b"2"])

    def test_no_update_is_lost_when_many_count_at_once(self, place):
        path = f"{place}/counter"
        updated = at_once(lambda _: [update_object(path, one_more) for _ in range(5)])
        assert all(itertools.chain(*updated))
        assert read_object(path) == b"%d" % (5 * THREADS)

    def test_an_update_that_fails_changes_nothing_and_holds_up_nobody(self, place):
        path = f"{place}/counter"
        replace_object(path, b"none")
        with pytest.raises(ValueError, match="none"):
            update_object(path, one_more)
        assert read_object(path) == b"none"
        assert update_object(path, lambda _: b"7")

    def test_updates_while_somebody_deletes_start_anew_and_end(self, place):
        path = f"{place}/counter"

        def act(number):
            return [delete_object(path) if number % 4 == 0 else update_object(path, one_more)] * 3

        at_once(act)
        content = read_object(path)
        assert content is None or 1 <= int(content) <= 3 * THREADS

    def test_what_is_deleted_is_gone_and_can_be_created_again(self, place):
        path = f"{place}/a.bin"
        assert not delete_object(path)
        assert create_object(path, b"first")
        assert at_once(lambda _: delete_object(path)).count(True) == 1
        assert (read_object(path), paths(place)) == (None, [])
        assert create_object(path, b"second")

    def test_a_listing_tells_path_size_and_time_of_what_has_the_suffix(self, place):
        for name, size in (("b/x.avro", 3), ("a.avro", 0), ("b/x.entry.json", 9)):
            create_object(f"{place}/{name}", b"1" * size)
        listed = list(list_objects(place, ".avro"))
        assert listed == [
            Listed(f"{place}/a.avro", 0, listed[0].modified),
            Listed(f"{place}/b/x.avro", 3, listed[1].modified),
        ]
        now = 1_700_000_000_000_000
        assert all(each.modified > now for each in listed)
        assert paths(place) == ["a.avro", "b/x.avro", "b/x.entry.json"]
        assert [*read_objects(place, ".avro")] == [
            (f"{place}/a.avro", b""),
            (f"{place}/b/x.avro", b"111"),
        ]

    def test_a_replaced_object_is_listed_with_a_later_time(self, place):
        path = f"{place}/a"
        replace_object(path, b"1")
        (before,) = list_objects(path)
        replace_object(path, b"22")
        (after,) = list_objects(path)
        assert after.modified >= before.modified
        assert (before.size, after.size) == (1, 2)

    def test_objects_are_listed_in_the_order_of_their_whole_paths(self, place):
        names = ["a-b/x", "a.txt", "a/x", "a0"]
        for name in reversed(names):
            create_object(f"{place}/{name}", b"")
        assert paths(place) == names

    def test_the_path_of_one_object_lists_that_one(self, place):
        for name in ("a.json", "a.json.old"):
            create_object(f"{place}/{name}", b"")
        assert [each.path for each in list_objects(f"{place}/a.json")] == [f"{place}/a.json"]

    def test_a_folder_is_no_prefix_of_the_name_of_another(self, place):
        days = ["dt=2026-01-1", "dt=2026-01-10", "dt=2026-01-1x"]
        for day in days:
            create_object(f"{place}/{day}/hr=00/x.avro", b"")
        assert paths(f"{place}/dt=2026-01-1") == ["hr=00/x.avro"]
        assert paths(f"{place}/dt=2026-01-1/hr=0") == []
        assert list_folders(f"{place}/dt=2026-01-1") == ["hr=00"]
        assert list_folders(f"{place}/dt=2026-01-1/hr=0") == []
        assert list_folders(place) == days

    def test_folders_are_named_as_they_are_and_objects_are_no_folders(self, place):
        names = ["source=a", "source=a%252F", "source=a%2Fb", "source=gr%C3%BCn +?#&="]
        for name in names:
            create_object(f"{place}/{name}/dt=2026-01-01/x.avro", name.encode())
        create_object(f"{place}/note.txt", b"")
        assert list_folders(place) == names
        assert list_folders(f"{place}/") == names
        for name in names:
            assert list_folders(f"{place}/{name}") == ["dt=2026-01-01"]
            path = f"{place}/{name}/dt=2026-01-01/x.avro"
            assert read_object(path) == name.encode()
            assert [each.path for each in list_objects(f"{place}/{name}")] == [path]

    def test_nothing_is_in_a_folder_that_is_not_there(self, place):
        assert list_folders(f"{place}/none") == []
        assert list(list_objects(f"{place}/none")) == []

    def test_a_listing_goes_on_while_objects_come_and_go(self, place):
        for number in range(20):
            create_object(f"{place}/{number:02}.bin", b"")

        def act(number):
            if number % 2:
                return len(paths(place))
            return [delete_object(f"{place}/{other:02}.bin") for other in range(number, 20, 8)]

        counts = [count for count in at_once(act) if isinstance(count, int)]
        assert len(counts) == THREADS // 2
        assert len(paths(place)) == 10

    def test_an_error_is_one_line_that_names_the_place(self, unusable):
        for act in (
            lambda: create_object(f"{unusable}/x", b""),
            lambda: replace_object(f"{unusable}/x", b""),
            lambda: update_object(f"{unusable}/x", one_more),
            lambda: list_folders(unusable),
        ):
            with pytest.raises(ObjectStoreError, match="check that the place") as raised:
                act()
            assert unusable in str(raised.value)
            assert "\n" not in str(raised.value)
        with suppress(ObjectStoreError):
            assert read_object(f"{unusable}/x") is None
