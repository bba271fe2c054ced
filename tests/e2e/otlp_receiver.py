"""Receives OTLP/HTTP as the official protobuf definitions (PyPI opentelemetry-proto) define it, and rejects what is malformed.

Prints the port it listens on, then a line of JSON for every export: {"signal", "encoding", "headers", "message"} or
{"signal", "error"}. Messages are told in proto3's JSON.
"""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SIGNALS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}
lock = threading.Lock()
HEX = ("traceId", "spanId", "parentSpanId")


def ids_as_proto3_has_them(value):
    """OTLP's JSON writes ids in hex where proto3 wants base64: the one difference that the strict parser must not see."""
    import base64

    if isinstance(value, dict):
        return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in HEX else ids_as_proto3_has_them(v) for k, v in value.items()}
    return [ids_as_proto3_has_them(v) for v in value] if isinstance(value, list) else value


def unknown(message):
    """Fields that the definitions do not name, at any depth."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    found = len(UnknownFieldSet(message))
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            found += sum(unknown(v) for v in (value if field.is_repeated else [value]))
    return found


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        kind = SIGNALS.get(self.path)
        told = {"signal": self.path.rsplit("/", 1)[-1]}
        status = 200
        try:
            message = kind()
            if self.headers["content-type"] == "application/json":
                told["encoding"] = "json"
                json_format.ParseDict(ids_as_proto3_has_them(json.loads(body)), message)
            else:
                told["encoding"] = self.headers["content-type"]
                message.ParseFromString(body)
                if unknown(message):
                    raise ValueError("fields that the definitions do not name")
            told["headers"] = {k.lower(): v for k, v in self.headers.items()}
            told["message"] = json_format.MessageToDict(message)
        except Exception as error:  # whatever is wrong with it is told to the test
            told["error"] = f"{type(error).__name__}: {error}"
            status = 400
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()
        with lock:
            print(json.dumps(told), flush=True)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
