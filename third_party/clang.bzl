"""A second C++ toolchain, beside Bazel's own one for g++: `--crosstool_top=@NAME//:toolchain`."""

load("@bazel_tools//tools/cpp:cc_configure.bzl", "cc_autoconf_impl")

def _clang_cc_toolchain_impl(repository_ctx):
    clang = repository_ctx.which(repository_ctx.attr.clang)
    if not clang:
        fail(("\n\n--config=clang and --config=fuzz need {clang}, which is not on this machine.\n" +
              "It comes with the Debian packages {clang} and libclang-rt-19-dev.\n" +
              "(tools/install_dependencies --test in Culvert's sources installs them.)\n").format(
            clang = repository_ctx.attr.clang,
        ))
    cc_autoconf_impl(repository_ctx, {"gcc": str(clang)})

clang_cc_toolchain = repository_rule(
    implementation = _clang_cc_toolchain_impl,
    attrs = {"clang": attr.string(mandatory = True)},
    environ = ["PATH"],
    configure = True,
)
