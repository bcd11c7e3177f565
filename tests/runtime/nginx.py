"""Debian's nginx in front of a container's php-fpm, as a Laravel application usually has it."""

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.runtime.visits import HOST, Answer, send

PACKAGES = ("nginx", "nginx-common")

# https://laravel.com/docs/deployment#nginx, with Debian's own fastcgi.conf and no static files.
CONFIGURATION = """
daemon off;
user root;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_max_body_size 10m;
    client_body_temp_path {directory}/body;
    fastcgi_temp_path {directory}/fastcgi;
    proxy_temp_path {directory}/proxy;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        server_name {host};
        root /var/task/public;
        location / {{ try_files $uri $uri/ /index.php?$query_string; }}
        location ~ ^/index\\.php(/|$) {{
            fastcgi_pass unix:{fpm};
            include {fastcgi};
        }}
    }}
}}
"""


class Nginx:
    """A running nginx."""

    def __init__(self, port: int, certificate: Path) -> None:
        self.port = port
        self._tls = ssl.create_default_context(cafile=certificate)
        self._tls.check_hostname = False

    def send(self, raw: bytes) -> Answer:
        return send(raw, self.port, self._tls)


def unpack(directory: Path) -> Path:
    """Debian's nginx, unpacked, not installed: no service starts. Returns the root of its files."""
    download = ["apt-get", "download", "-qq", *PACKAGES]
    if subprocess.run(download, check=False, cwd=directory, capture_output=True).returncode:
        subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
        subprocess.run(download, check=True, cwd=directory)
    root = directory / "root"
    for package in directory.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, root], check=True)
    return root


@contextmanager
def nginx(root: Path, directory: Path, fpm: Path, certificate: str) -> Iterator[Nginx]:
    """Runs nginx from `unpack` on a port of loopback, until the end of the context."""
    file = directory / "certificate.pem"
    file.write_text(certificate)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = directory / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(
            directory=directory,
            port=port,
            host=HOST,
            certificate=file,
            fpm=fpm,
            fastcgi=root / "etc/nginx/fastcgi.conf",
        )
    )
    program = shutil.which("nginx", path=root / "usr/sbin")
    assert program is not None
    command = [program, "-c", str(configuration), "-e", str(directory / "error.log")]
    with subprocess.Popen(command) as process:
        try:
            _wait_until_it_listens(port, process)
            yield Nginx(port, file)
        finally:
            process.terminate()


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        assert process.poll() is None, "nginx does not start"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("nginx does not listen")
