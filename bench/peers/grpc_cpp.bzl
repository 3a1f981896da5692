"""cc_grpc_peer_library: gRPC C++'s code for the services of a proto_library, by Debian's grpc_cpp_plugin."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def _grpc_cpp_code_impl(ctx):
    proto = ctx.attr.proto[ProtoInfo]
    headers, sources = [], []
    root = None
    for file in proto.direct_sources:
        # The path by which others import the file.
        name = file.path
        if proto.proto_source_root != ".":
            name = name[len(proto.proto_source_root) + 1:]
        stem = ctx.label.name + "/" + name[:-len(".proto")]
        headers.append(ctx.actions.declare_file(stem + ".grpc.pb.h"))
        sources.append(ctx.actions.declare_file(stem + ".grpc.pb.cc"))
        root = headers[-1].path[:-len(name[:-len(".proto")] + ".grpc.pb.h") - 1]
    arguments = ctx.actions.args()
    arguments.add(ctx.executable._plugin, format = "--plugin=protoc-gen-grpc=%s")
    arguments.add(root, format = "--grpc_out=%s")
    arguments.add_all(proto.transitive_proto_path, format_each = "--proto_path=%s")
    arguments.add_all(proto.direct_sources)
    ctx.actions.run(
        inputs = proto.transitive_sources,
        outputs = headers + sources,
        executable = ctx.executable._protoc,
        tools = [ctx.executable._plugin],
        arguments = [arguments],
        mnemonic = "GrpcCppProto",
        progress_message = "Generating gRPC C++ code %s" % ctx.label,
    )
    return [
        DefaultInfo(files = depset(sources)),
        OutputGroupInfo(headers = depset(headers)),
    ]

_grpc_cpp_code = rule(
    implementation = _grpc_cpp_code_impl,
    attrs = {
        "proto": attr.label(mandatory = True, providers = [ProtoInfo]),
        "_protoc": attr.label(default = "@com_google_protobuf//:protoc", executable = True, allow_single_file = True, cfg = "host"),
        "_plugin": attr.label(default = "@grpc_peer//:grpc_cpp_plugin", executable = True, allow_single_file = True, cfg = "host"),
    },
)

def cc_grpc_peer_library(name, proto, deps, **kwargs):
    """`deps`: the cc_proto_library of `proto`, whose headers are included as its files are imported."""
    code = name + "_code"
    _grpc_cpp_code(name = code, proto = proto)
    native.filegroup(name = name + "_headers", srcs = [code], output_group = "headers")
    cc_library(
        name = name,
        srcs = [code],
        hdrs = [name + "_headers"],
        includes = [code],
        deps = deps + ["@grpc_peer//:grpc++"],
        **kwargs
    )
