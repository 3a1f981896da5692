"""Small stand-ins for two repositories that Bazel 4.2 asks for and Debian does not ship in a form that it can read.

Debian's bazel-rules-cc is written for later Bazels; the one here re-exports the native rules.
"""

_RULES_CC_DEFS = '''
cc_binary = native.cc_binary
cc_import = native.cc_import
cc_library = native.cc_library
cc_proto_library = native.cc_proto_library
cc_test = native.cc_test
cc_toolchain = native.cc_toolchain
cc_toolchain_suite = native.cc_toolchain_suite
fdo_prefetch_hints = native.fdo_prefetch_hints
fdo_profile = native.fdo_profile
objc_import = native.objc_import
objc_library = native.objc_library

def _empty_impl(ctx):
    return []

cc_flags_supplier = rule(implementation = _empty_impl)
compiler_flag = rule(implementation = _empty_impl)
'''

def _stub_rules_cc_impl(repository_ctx):
    repository_ctx.file("WORKSPACE", "workspace(name = \"rules_cc\")\n")
    repository_ctx.file("cc/BUILD.bazel", "exports_files([\"defs.bzl\"])\n")
    repository_ctx.file("cc/defs.bzl", _RULES_CC_DEFS)

stub_rules_cc = repository_rule(implementation = _stub_rules_cc_impl)

def _stub_remote_coverage_tools_impl(repository_ctx):
    repository_ctx.file("WORKSPACE", "workspace(name = \"remote_coverage_tools\")\n")
    repository_ctx.file(
        "BUILD.bazel",
        "filegroup(name = \"coverage_report_generator\", srcs = [], visibility = [\"//visibility:public\"])\n" +
        "filegroup(name = \"lcov_merger\", srcs = [], visibility = [\"//visibility:public\"])\n",
    )

stub_remote_coverage_tools = repository_rule(implementation = _stub_remote_coverage_tools_impl)
