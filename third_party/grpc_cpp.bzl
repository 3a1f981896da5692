"""grpc_cpp_library: the services of a proto_library as gRPC C++ code, from its own plugin. For the foreign peers in tests/ and bench/."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def _grpc_cpp_sources_impl(ctx):
    info = ctx.attr.proto[ProtoInfo]
    root = "/".join([part for part in [ctx.bin_dir.path, ctx.label.workspace_root, ctx.label.package, ctx.label.name] if part])
    arguments = ctx.actions.args()
    arguments.add(ctx.executable._plugin, format = "--plugin=protoc-gen-grpc=%s")
    arguments.add(root, format = "--grpc_out=%s")
    arguments.add_all(info.transitive_proto_path, format_each = "-I%s")

    headers = []
    sources = []
    for src in info.direct_sources:
        # The path by which other .proto files import it.
        path = src.path[len(info.proto_source_root) + 1:] if info.proto_source_root != "." else src.path
        base = ctx.label.name + "/" + path[:-len(".proto")]
        headers.append(ctx.actions.declare_file(base + ".grpc.pb.h"))
        sources.append(ctx.actions.declare_file(base + ".grpc.pb.cc"))
        arguments.add(path)

    ctx.actions.run(
        executable = ctx.executable._protoc,
        arguments = [arguments],
        inputs = info.transitive_sources,
        tools = [ctx.executable._plugin],
        outputs = headers + sources,
        mnemonic = "GenGrpcCpp",
        progress_message = "Generating gRPC C++ services of %s" % ctx.attr.proto.label,
    )
    return [
        DefaultInfo(files = depset(headers + sources)),
        OutputGroupInfo(hdrs = depset(headers), srcs = depset(sources)),
    ]

_grpc_cpp_sources = rule(
    implementation = _grpc_cpp_sources_impl,
    attrs = {
        "proto": attr.label(mandatory = True, providers = [ProtoInfo]),
        "_plugin": attr.label(default = "@grpc_peer//:grpc_cpp_plugin", executable = True, allow_single_file = True, cfg = "exec"),
        "_protoc": attr.label(default = "@com_google_protobuf//:protoc", executable = True, allow_single_file = True, cfg = "exec"),
    },
)

def grpc_cpp_library(name, proto, deps, testonly = False, visibility = None):
    """A C++ library with gRPC C++'s services and stubs.

    Args:
      name: the library's name; "path/to/x.grpc.pb.h" is included from it.
      proto: the proto_library with the services.
      deps: the messages, C++ libraries for every .proto file of `proto`.
      testonly: of the library.
      visibility: of the library.
    """
    sources = name + "_sources"
    _grpc_cpp_sources(name = sources, proto = proto, testonly = testonly, visibility = ["//visibility:private"])
    for group in ["hdrs", "srcs"]:
        native.filegroup(
            name = sources + "_" + group,
            srcs = [":" + sources],
            output_group = group,
            testonly = testonly,
            visibility = ["//visibility:private"],
        )
    cc_library(
        name = name,
        testonly = testonly,
        srcs = [":" + sources + "_srcs"],
        hdrs = [":" + sources + "_hdrs"],
        includes = [sources],
        visibility = visibility,
        deps = deps + ["@grpc_peer//:grpc++"],
    )
