"""awscrt: AWS's own S3 client in C; it opens the connections that its throughput target asks."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from awscrt.auth import AwsCredentialsProvider, AwsSigningAlgorithm, AwsSigningConfig
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientBootstrap, ClientTlsContext, TlsContextOptions
from awscrt.s3 import S3Client, S3RequestTlsMode, S3RequestType


def send(url: str, directory: Path, gigabits: float, certificate: str) -> None:
    at = urlsplit(url)
    is_tls = at.scheme == "https"
    options = None
    if is_tls:
        trusted = TlsContextOptions()
        trusted.override_default_trust_store_from_path(None, certificate)
        options = ClientTlsContext(trusted).new_connection_options()
    credentials = AwsCredentialsProvider.new_static("AKIDEXAMPLE", "a-secret")
    client = S3Client(
        bootstrap=ClientBootstrap.get_or_create_static_default(),
        region="us-east-1",
        signing_config=AwsSigningConfig(
            algorithm=AwsSigningAlgorithm.V4,
            service="s3",
            region="us-east-1",
            credentials_provider=credentials,
            use_double_uri_encode=False,
        ),
        tls_mode=S3RequestTlsMode.ENABLED if is_tls else S3RequestTlsMode.DISABLED,
        tls_connection_options=options,
        throughput_target_gbps=gigabits,
        part_size=8 * 2**20,
    )
    requests = []
    for file in sorted(directory.iterdir()):
        headers = HttpHeaders([("host", at.netloc), ("content-length", str(file.stat().st_size))])
        request = HttpRequest("PUT", f"/bucket/{file.name}", headers)
        requests.append(
            client.make_request(
                request=request,
                type=S3RequestType.PUT_OBJECT,
                send_filepath=str(file),
            )
        )
    for sent in requests:
        sent.finished_future.result()


if __name__ == "__main__":
    to, root, target, authority = sys.argv[1:]
    began = time.perf_counter()
    send(to, Path(root), float(target), authority)
    print(time.perf_counter() - began, flush=True)
