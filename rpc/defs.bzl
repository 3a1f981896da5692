"""culvert_cc_library: from a .proto file to its messages, abstract services and stubs in C++.

    load("@culvert//rpc:defs.bzl", "culvert_cc_library")

    proto_library(
        name = "route_guide_proto",
        srcs = ["route_guide.proto"],
    )

    culvert_cc_library(
        name = "route_guide_culvert",
        deps = [":route_guide_proto"],
    )

    cc_binary(
        name = "server",
        srcs = ["server.cc"],
        deps = [
            ":route_guide_culvert",
            "@culvert//rpc:server",
        ],
    )

server.cc then includes "path/to/route_guide.culvert.h", beside "path/to/route_guide.pb.h", where path/to is what another
.proto file would import it by.
"""

load("@rules_cc//cc:defs.bzl", "cc_library", "cc_proto_library")

def _import_path(src, proto_source_root):
    """The path by which another .proto file imports `src`."""
    for root in [proto_source_root, src.root.path + "/" + src.owner.workspace_root, src.root.path, src.owner.workspace_root]:
        if root and root != "." and src.path.startswith(root + "/"):
            return src.path[len(root) + 1:]
    return src.path

def _culvert_sources_impl(ctx):
    headers = []
    sources = []
    for dep in ctx.attr.deps:
        info = dep[ProtoInfo]
        if not info.direct_sources:
            fail("%s has no .proto files of its own: name the proto_library that has the services" % dep.label, attr = "deps")

        # Where the generated files of all roots meet: the directory that `includes` of the macro below puts into the search path.
        out = ctx.label.name
        root = "/".join([part for part in [ctx.bin_dir.path, ctx.label.workspace_root, ctx.label.package, out] if part])
        arguments = ctx.actions.args()
        arguments.add(ctx.executable._plugin, format = "--plugin=protoc-gen-culvert=%s")
        arguments.add(root, format = "--culvert_out=%s")
        outputs = []
        for src in info.direct_sources:
            path = _import_path(src, info.proto_source_root)
            base = path[:-len(".proto")] if path.endswith(".proto") else path
            headers.append(ctx.actions.declare_file(out + "/" + base + ".culvert.h"))
            sources.append(ctx.actions.declare_file(out + "/" + base + ".culvert.cc"))
            outputs += [headers[-1], sources[-1]]
            arguments.add("-I%s=%s" % (path, src.path))
        arguments.add_all(info.transitive_proto_path, format_each = "-I%s")
        arguments.add_all(info.direct_sources)

        ctx.actions.run(
            executable = ctx.executable._protoc,
            arguments = [arguments],
            inputs = info.transitive_sources,
            tools = [ctx.executable._plugin],
            outputs = outputs,
            mnemonic = "GenCulvert",
            progress_message = "Generating Culvert services of %s" % dep.label,
        )
    return [
        DefaultInfo(files = depset(headers + sources), runfiles = ctx.runfiles(files = headers + sources)),
        OutputGroupInfo(hdrs = depset(headers), srcs = depset(sources)),
    ]

_culvert_sources = rule(
    implementation = _culvert_sources_impl,
    attrs = {
        "deps": attr.label_list(mandatory = True, allow_empty = False, providers = [ProtoInfo]),
        "_plugin": attr.label(default = Label("//rpc/codegen:protoc-gen-culvert"), executable = True, cfg = "exec"),
        # Bazel's own default of --proto_compiler, which makes the messages; this Bazel has no way to ask for the flag.
        "_protoc": attr.label(
            default = "@com_google_protobuf//:protoc",
            executable = True,
            allow_files = True,
            cfg = "exec",
        ),
    },
    doc = "Runs protoc with protoc-gen-culvert over the direct sources of `deps`.",
)

def culvert_cc_library(name, deps, cc_proto_deps = None, tags = [], testonly = None, visibility = None, **kwargs):
    """A C++ library with the messages, abstract services and stubs of some .proto files.

    Args:
      name: the cc_library's name. Beside it stand NAME_cc_proto, the messages, and NAME_sources, the generated files; with several deps,
        NAME_cc_proto_2 and so on.
      deps: proto_library targets, of this workspace or of another one, which hold the services. Only their own .proto files become
        services; those of their deps become messages.
      cc_proto_deps: C++ libraries that have the messages of `deps` already, in place of the cc_proto_library targets made here. (Two
        cc_proto_library targets of one proto_library share their code and do no harm.)
      tags: of every target.
      testonly: of every target.
      visibility: of the cc_library and the cc_proto_library targets.
      **kwargs: more for the cc_library.
    """
    if cc_proto_deps == None:
        cc_proto_deps = []
        for i, dep in enumerate(deps):
            messages = name + "_cc_proto" + ("_%d" % (i + 1) if i else "")
            cc_proto_library(
                name = messages,
                deps = [dep],
                tags = tags,
                testonly = testonly,
                visibility = visibility,
            )
            cc_proto_deps.append(":" + messages)

    sources = name + "_sources"
    _culvert_sources(
        name = sources,
        deps = deps,
        tags = tags,
        testonly = testonly,
        visibility = ["//visibility:private"],
    )
    for group in ["hdrs", "srcs"]:
        native.filegroup(
            name = sources + "_" + group,
            srcs = [":" + sources],
            output_group = group,
            tags = tags,
            testonly = testonly,
            visibility = ["//visibility:private"],
        )

    cc_library(
        name = name,
        srcs = [":" + sources + "_srcs"],
        hdrs = [":" + sources + "_hdrs"],
        includes = [sources],
        tags = tags,
        testonly = testonly,
        visibility = visibility,
        deps = cc_proto_deps + [
            Label("//rpc:service"),
            Label("//rpc:stub"),
        ],
        **kwargs
    )
