"""Caffe's messages: `from caffelite.proto import caffe_pb2`."""
