from replicator.dev.page.outcome import shown
from replicator.reasons import Reason


def test_an_outcome_has_its_reason_explained_and_a_time():
    fields = shown({"result": "created", "reason": "destination_absent", "bytes": 0, "checked": "CRC32C"})
    assert fields.pop("at") > 0
    assert fields == {
        "result": "created",
        "reason": "destination_absent",
        "bytes": 0,
        "explanation": Reason.DESTINATION_ABSENT.explanation,
    }


def test_a_destination_in_another_bucket_is_for_the_page():
    assert shown({"elsewhere": "gs://archive/k"})["elsewhere"] == "gs://archive/k"


def test_every_field_may_be_absent_and_a_reason_unknown():
    assert shown({})["explanation"] == ""
    assert shown({"reason": "of a later version"})["explanation"] == ""


def test_how_far_an_unfinished_copy_got_is_for_the_page():
    fields = shown({"result": "handed_over", "reason": "unfinished", "copied": 0, "size": 10})
    assert (fields["result"], fields["copied"], fields["size"]) == ("handed_over", 0, 10)
