"""Stands in for Imagen's API in front of a real S3 server: hands out links to photos, signed by AWS's own boto3.

usage: s3.py S3_PORT FOLDER

The name of a project says what is wrong with its links:

  plain     nothing
  once      the first upload link for each name has expired when it is handed out
  expired   all have expired
  forged    they are signed with another secret
  breaking  they lead through a relay that cuts the first two large transfers in each direction; FOLDER/relayed holds
            the method, Range and If-Range of each request

Objects of a project stand under its name in the bucket; `once` and `breaking` share those of `plain`.
"""

import json
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from botocore.config import Config

BUCKET = "photos"
KEY, SECRET = "AKIDPEERS", "secret-of-the-peers"
# The relay cuts a connection after so many bytes of a file, in either direction.
CUT_AFTER = 2 * 1024 * 1024
CUTS = 2

s3_port, folder = int(sys.argv[1]), sys.argv[2]


def s3(port, secret=SECRET):
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=KEY,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


class Relay:
    """Passes connections on to the S3 server, and cuts the first large transfers in each direction."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.left = {"up": CUTS, "down": CUTS}
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", s3_port))
            for way in ((client, server, "up"), (server, client, "down")):
                threading.Thread(target=self.carry, args=way, daemon=True).start()

    def carry(self, one, other, way):
        carried = 0
        try:
            while piece := one.recv(65536):
                if way == "up" and piece.startswith((b"GET ", b"PUT ")):
                    self.note(piece)
                carried += len(piece)
                if carried > CUT_AFTER and self.left[way] > 0:
                    self.left[way] -= 1
                    break
                other.sendall(piece)
        except OSError:
            pass  # the other direction was cut
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def note(self, request):
        head = request.split(b"\r\n\r\n")[0].decode()
        asked = re.search(r"(?im)^range: *(\S+)", head)
        condition = re.search(r"(?im)^if-range: *(\S+)", head)
        words = head.split(" ")[0], asked[1] if asked else "-", condition[1] if condition else "-"
        with open(f"{folder}/relayed", "a") as log:
            print(*words, file=log)


relay = Relay()
by_port = {"plain": s3(s3_port), "breaking": s3(relay.port)}
forger = s3(s3_port, secret="another-secret")
asked_once = set()
# The names in the project plain. s3s-fs does not encode them in its listings as boto3 expects.
uploaded = {}


def signed(project, method, name):
    """Returns a link, and when it has expired."""
    client = forger if project == "forged" else by_port.get(project, by_port["plain"])
    expires = 3600
    if project == "expired" or (project == "once" and method == "put_object" and name not in asked_once):
        asked_once.add(name)
        expires = 1
    prefix = "plain" if project in ("once", "breaking") else project
    link = client.generate_presigned_url(
        method, Params={"Bucket": BUCKET, "Key": f"{prefix}/{name}"}, ExpiresIn=expires
    )
    return link, time.time() + expires if expires == 1 else 0


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        project = re.fullmatch(r"/v1/projects/(\w+)/get_temporary_upload_links", self.path)[1]
        names = [file["file_name"] for file in body["files_list"]]
        if project == "plain":
            uploaded.update(dict.fromkeys(names))
        self.answer(project, "put_object", "upload_link", names)

    def do_GET(self):
        project = re.fullmatch(r"/v1/projects/(\w+)/export/get_temporary_download_links", self.path)[1]
        self.answer(project, "get_object", "download_link", list(uploaded))

    def answer(self, project, method, field, names):
        links = [(name, *signed(project, method, name)) for name in names]
        # A link has expired in the second after its last one.
        expired = max((expires for _, _, expires in links), default=0)
        time.sleep(max(0, expired + 1 - time.time()))
        files = [{"file_name": name, field: link} for name, link, _ in links]
        answer = json.dumps({"files_list": files}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


by_port["plain"].create_bucket(Bucket=BUCKET)
server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
print(f"IMAGEN_BASE_URL=http://127.0.0.1:{server.server_port}/v1", flush=True)
server.serve_forever()
