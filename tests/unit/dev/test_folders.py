"""The folders that a person gives the stack, and what is said of those that it cannot have."""

import pytest

from replicator.dev.errors import StackError
from replicator.dev.folders import make_folder, sole_use


def test_a_folder_is_made_with_its_parents_and_may_exist(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("inside", ["", "below/it"])
def test_a_file_in_the_way_is_named(tmp_path, inside):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StackError, match=r"file.* cannot be a folder: there is a file at .*/file"):
        make_folder(tmp_path / "file" / inside)


def test_a_folder_that_the_system_refuses_is_named_with_the_cause(tmp_path):
    with pytest.raises(StackError, match=r"the folder .*x{300} cannot be made \(File name too long\)"):
        make_folder(tmp_path / ("x" * 300))


def test_a_folder_is_one_stack_s_alone_until_that_ends(tmp_path):
    with sole_use(tmp_path), pytest.raises(StackError, match=r"is in use: .* --replica-folder"), sole_use(tmp_path):
        pytest.fail("both use it")
    with sole_use(tmp_path):
        pass


def test_other_folders_may_be_used_at_the_same_time(tmp_path):
    with sole_use(tmp_path / "one"), sole_use(tmp_path / "other"):
        assert all((tmp_path / name / ".cloud-storage" / "lock").exists() for name in ("one", "other"))


def test_a_lock_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / ".cloud-storage" / "lock").mkdir(parents=True)
    with pytest.raises(StackError, match=r"lock cannot be written \(Is a directory\)"), sole_use(tmp_path):
        pytest.fail("there is no lock")
