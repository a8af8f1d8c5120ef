# SPDX-License-Identifier: Apache-2.0
"""A CSI client: grpcio with messages that protoc makes from our csi.proto."""
import functools
import importlib
import os
import subprocess
import sys

import grpc

from lib.sandbox import base

PROTO = os.path.join(os.path.dirname(__file__), "../../src/api/csi")


@functools.cache
def messages():
    """The module with all messages: messages().CreateVolumeRequest(name=...)."""
    out = base() + "/csi-messages"
    os.makedirs(out, exist_ok=True)
    subprocess.run(["protoc", "--python_out=" + out, "--proto_path=" + PROTO, "csi.proto"],
                   check=True, timeout=60)
    sys.path.insert(0, out)
    try:
        return importlib.import_module("csi_pb2")
    finally:
        sys.path.remove(out)


class Failed(Exception):
    """A call's status: .code (grpc.StatusCode), .text."""

    def __init__(self, rpc, code, text):
        super().__init__(f"{rpc}: {code.name}: {text}")
        self.code, self.text = code, text


class Csi:
    """csi.NodeGetInfo() and the like: each RPC is a method, its request's fields are keywords."""

    def __init__(self, path, timeout=30):
        self.channel = grpc.insecure_channel("unix:" + path, options=[
            ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)])
        self.timeout = timeout

    def close(self):
        self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def stub(self, rpc):
        """(callable, request class) of an RPC."""
        for service in messages().DESCRIPTOR.services_by_name.values():
            method = service.methods_by_name.get(rpc)
            if method:
                asked = getattr(messages(), method.input_type.name)
                answered = getattr(messages(), method.output_type.name)
                return self.channel.unary_unary(
                    f"/{service.full_name}/{rpc}", request_serializer=asked.SerializeToString,
                    response_deserializer=answered.FromString), asked
        raise AttributeError(rpc)

    def stream(self, rpc, timeout=None, **fields):
        """The answers of a server-streaming RPC, as they come."""
        for service in messages().DESCRIPTOR.services_by_name.values():
            method = service.methods_by_name.get(rpc)
            if method:
                asked = getattr(messages(), method.input_type.name)
                call = self.channel.unary_stream(
                    f"/{service.full_name}/{rpc}", request_serializer=asked.SerializeToString,
                    response_deserializer=getattr(messages(), method.output_type.name).FromString)
        try:
            yield from call(asked(**fields), timeout=timeout or self.timeout)
        except grpc.RpcError as error:
            raise Failed(rpc, error.code(), error.details()) from None

    def __getattr__(self, rpc):
        call, asked = self.stub(rpc)

        def ask(timeout=None, compression=None, **fields):
            try:
                return call(asked(**fields), timeout=timeout or self.timeout,
                            compression=compression)
            except grpc.RpcError as error:
                raise Failed(rpc, error.code(), error.details()) from None
        return ask

    def raw(self, path, body, timeout=10, compression=None):
        """Sends bytes as the message of any method; the answer's bytes."""
        try:
            return self.channel.unary_unary(path)(body, timeout=timeout, compression=compression)
        except grpc.RpcError as error:
            raise Failed(path, error.code(), error.details()) from None
