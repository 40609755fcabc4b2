"""The real service under gunicorn, killed in the middle of a copy."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from replicator.dev.cloud_storage import Fault, Stall
from tests.servers import cloud_storage, moto, s3_client
from tests.service.envelopes import eventbridge, push
from tests.service.gunicorn import gunicorn

DATA = os.urandom(12_000_000)


@pytest.mark.parametrize("point", [0, len(DATA) // 2, len(DATA) - 300_000], ids=["first", "middle", "last"])
def test_a_process_that_is_killed_while_it_copies_leaves_nothing_and_the_next_delivery_repairs_it(tmp_path, point):
    reached, go_on = threading.Event(), threading.Event()
    with moto() as s3_url, cloud_storage("replica-bucket") as storage, ThreadPoolExecutor(1) as pool:
        s3 = s3_client(s3_url)
        s3.create_bucket(Bucket="source-bucket")
        s3.put_object(Bucket="source-bucket", Key="k", Body=DATA)
        stall = Stall(until=go_on, reached=reached, after_bytes=point)
        storage.faults.add(Fault(stall, method="PUT", path="upload_id"))
        replica = f"{storage.url}/storage/v1/b/replica-bucket/o/k"

        with gunicorn(tmp_path, s3_url, storage.url) as service:
            delivery = pool.submit(requests.post, service.url, json=push(eventbridge("k")), timeout=60)
            assert reached.wait(30)
            os.killpg(service.process_id, signal.SIGKILL)
            with pytest.raises(requests.ConnectionError):
                delivery.result(30)
        go_on.set()
        assert requests.get(replica, timeout=60).status_code == 404

        with gunicorn(tmp_path, s3_url, storage.url) as service:
            assert requests.post(service.url, json=push(eventbridge("k")), timeout=60).status_code == 204
        assert requests.get(replica, params={"alt": "media"}, timeout=60).content == DATA
        s3.delete_object(Bucket="source-bucket", Key="k")
        s3.delete_bucket(Bucket="source-bucket")
