"""A Secret Manager over gRPC, as the service reads it."""

import json
from concurrent.futures import ThreadPoolExecutor

import google_crc32c
import grpc
from google.cloud.secretmanager_v1.types import AccessSecretVersionRequest, AccessSecretVersionResponse

ACCESS = "google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion"
SECRET_KEY, SESSION_TOKEN = "a-secret-key", "a-session-token"


class SecretManager:
    """Gives other keys each time: `KEY1`, then `KEY2`, …"""

    def __init__(self) -> None:
        self._given = 0
        self._server = grpc.server(ThreadPoolExecutor(4, thread_name_prefix="secrets"))
        service, _, method = ACCESS.partition("/")
        access = grpc.unary_unary_rpc_method_handler(
            self._access,
            request_deserializer=AccessSecretVersionRequest.deserialize,
            response_serializer=AccessSecretVersionResponse.serialize,
        )
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {method: access})])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> "SecretManager":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None).wait()

    def _access(self, request: AccessSecretVersionRequest, _context: object) -> AccessSecretVersionResponse:
        self._given += 1
        keys = {"AccessKeyId": f"KEY{self._given}", "SecretAccessKey": SECRET_KEY, "SessionToken": SESSION_TOKEN}
        data = json.dumps(keys).encode()
        payload = {"data": data, "data_crc32c": google_crc32c.value(data)}
        return AccessSecretVersionResponse(name=request.name, payload=payload)
