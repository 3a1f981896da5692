"""Culvert's dependencies, answered under their upstream labels by the packages of Debian 12.

In your own WORKSPACE:

    local_repository(name = "culvert", path = "...")  # or any other way to bring the sources
    load("@culvert//third_party:repositories.bzl", "culvert_dependencies")
    culvert_dependencies()

A repository that your WORKSPACE has defined before the call is left as it is, so your own copies of abseil, protobuf
and the others drop in. Nothing here reaches the network; a Debian package that is missing is named when, and only
when, something that needs it is built.
"""

load("//third_party:absl.bzl", "debian_absl")
load("//third_party:clang.bzl", "clang_cc_toolchain")
load("//third_party:debian.bzl", "debian_repository")
load("//third_party:stubs.bzl", "stub_remote_coverage_tools", "stub_rules_cc")

def _missing(name):
    return not native.existing_rule(name)

def culvert_dependencies():
    """Everything that a user of Culvert's public targets needs."""

    # What Bazel itself, protobuf's rules and `bazel test` ask for.
    if _missing("rules_cc"):
        stub_rules_cc(name = "rules_cc")
    if _missing("remote_coverage_tools"):
        stub_remote_coverage_tools(name = "remote_coverage_tools")
    if _missing("rules_java"):
        native.local_repository(name = "rules_java", path = "/usr/share/bazel/rules/java")
    if _missing("rules_proto"):
        native.local_repository(name = "rules_proto", path = "/usr/share/bazel/rules/proto")
    if _missing("platforms"):
        native.local_repository(name = "platforms", path = "/usr/share/bazel/platforms")

    if _missing("com_google_absl"):
        debian_absl(name = "com_google_absl")

    if _missing("com_google_protobuf"):
        debian_repository(
            name = "com_google_protobuf",
            build_template = Label("//third_party:protobuf.BUILD"),
            needs = {
                "/usr/include/google/protobuf/message.h": "libprotobuf-dev",
                "/usr/include/google/protobuf/compiler/plugin.h": "libprotoc-dev",
            },
            libraries = {
                "libprotobuf.a": "libprotobuf-dev",
                "libprotobuf-lite.a": "libprotobuf-dev",
                "libprotoc.a": "libprotoc-dev",
            },
            files = {
                "protoc": "/usr/bin/protoc protobuf-compiler",
                "google/protobuf": "/usr/include/google/protobuf libprotobuf-dev",
            },
        )

    if _missing("asio"):
        debian_repository(
            name = "asio",
            build_template = Label("//third_party:asio.BUILD"),
            needs = {"/usr/include/asio/awaitable.hpp": "libasio-dev"},
        )

    if _missing("openssl"):
        debian_repository(
            name = "openssl",
            build_template = Label("//third_party:openssl.BUILD"),
            needs = {"/usr/include/openssl/ssl.h": "libssl-dev"},
        )

    if _missing("zlib"):
        debian_repository(
            name = "zlib",
            build_template = Label("//third_party:zlib.BUILD"),
            needs = {"/usr/include/zlib.h": "zlib1g-dev"},
        )

def culvert_dev_dependencies():
    """What only Culvert's own tests and benchmarks need; a user's workspace has no use for it."""
    if _missing("nghttp2"):
        debian_repository(
            name = "nghttp2",
            build_template = Label("//third_party:nghttp2.BUILD"),
            needs = {"/usr/include/nghttp2/nghttp2.h": "libnghttp2-dev"},
            libraries = {"libnghttp2.a": "libnghttp2-dev"},
        )

    if _missing("com_google_googletest"):
        debian_repository(
            name = "com_google_googletest",
            build_template = Label("//third_party:googletest.BUILD"),
            needs = {
                "/usr/include/gtest/gtest.h": "libgtest-dev",
                "/usr/include/gmock/gmock.h": "libgmock-dev",
            },
            libraries = {
                "libgtest.a": "libgtest-dev",
                "libgtest_main.a": "libgtest-dev",
                "libgmock.a": "libgmock-dev",
            },
        )

    if _missing("com_github_google_benchmark"):
        debian_repository(
            name = "com_github_google_benchmark",
            build_template = Label("//third_party:benchmark.BUILD"),
            needs = {"/usr/include/benchmark/benchmark.h": "libbenchmark-dev"},
            libraries = {"libbenchmark_main.a": "libbenchmark-dev"},
        )

    # gRPC C++, as a foreign peer in tests/interop and bench/peers and nowhere else.
    if _missing("grpc_peer"):
        debian_repository(
            name = "grpc_peer",
            build_template = Label("//third_party:grpc_peer.BUILD"),
            needs = {"/usr/include/grpcpp/grpcpp.h": "libgrpc++-dev"},
            libraries = {
                "libgrpc++.a": "libgrpc++-dev",
                "libgrpc++_reflection.a": "libgrpc++-dev",
                "libgrpc++_unsecure.a": "libgrpc++-dev",
                "libgrpc.a": "libgrpc-dev",
                "libgrpc_unsecure.a": "libgrpc-dev",
                "libgpr.a": "libgrpc-dev",
                "libaddress_sorting.a": "libgrpc-dev",
                "libupb.a": "libgrpc-dev",
                "libre2.a": "libre2-dev",
                "libcares.a": "libc-ares-dev",
            },
            files = {"grpc_cpp_plugin": "/usr/bin/grpc_cpp_plugin protobuf-compiler-grpc"},
        )

    # The compiler of --config=clang and --config=fuzz.
    if _missing("culvert_clang"):
        clang_cc_toolchain(name = "culvert_clang", clang = "clang-19")
