"""@com_google_absl from Debian's libabsl-dev, under the labels of upstream's own BUILD files.

Debian describes each of abseil's libraries in a pkg-config file. They are read as text (pkg-config itself is not
needed), and become one hidden target each in //:BUILD, with exact link dependencies; the upstream labels are aliases.
"""

load("//third_party:debian.bzl", "fail_missing", "require_file", "require_library")

# Upstream package -> upstream target -> Debian's name of the same library.
_LABELS = {
    "algorithm": {
        "algorithm": "algorithm",
        "container": "algorithm_container",
    },
    "base": {
        "atomic_hook": "atomic_hook",
        "base": "base",
        "config": "config",
        "core_headers": "core_headers",
        "dynamic_annotations": "dynamic_annotations",
        "endian": "endian",
        "errno_saver": "errno_saver",
        "log_severity": "log_severity",
        "prefetch": "prefetch",
    },
    "cleanup": {
        "cleanup": "cleanup",
    },
    "container": {
        "btree": "btree",
        "fixed_array": "fixed_array",
        "flat_hash_map": "flat_hash_map",
        "flat_hash_set": "flat_hash_set",
        "inlined_vector": "inlined_vector",
        "node_hash_map": "node_hash_map",
        "node_hash_set": "node_hash_set",
    },
    "debugging": {
        "failure_signal_handler": "failure_signal_handler",
        "leak_check": "leak_check",
        "stacktrace": "stacktrace",
        "symbolize": "symbolize",
    },
    "flags": {
        "commandlineflag": "flags_commandlineflag",
        "config": "flags_config",
        "flag": "flags",
        "marshalling": "flags_marshalling",
        "parse": "flags_parse",
        "reflection": "flags_reflection",
        "usage": "flags_usage",
    },
    "functional": {
        "any_invocable": "any_invocable",
        "bind_front": "bind_front",
        "function_ref": "function_ref",
    },
    "hash": {
        "hash": "hash",
    },
    "memory": {
        "memory": "memory",
    },
    "meta": {
        "type_traits": "type_traits",
    },
    "numeric": {
        "bits": "bits",
        "int128": "int128",
    },
    "random": {
        "bit_gen_ref": "random_bit_gen_ref",
        "distributions": "random_distributions",
        "random": "random_random",
        "seed_gen_exception": "random_seed_gen_exception",
        "seed_sequences": "random_seed_sequences",
    },
    "status": {
        "status": "status",
        "statusor": "statusor",
    },
    "strings": {
        "cord": "cord",
        "str_format": "str_format",
        "strings": "strings",
    },
    "synchronization": {
        "synchronization": "synchronization",
    },
    "time": {
        "time": "time",
    },
    "types": {
        "any": "any",
        "bad_any_cast": "bad_any_cast",
        "bad_optional_access": "bad_optional_access",
        "bad_variant_access": "bad_variant_access",
        "compare": "compare",
        "optional": "optional",
        "span": "span",
        "variant": "variant",
    },
    "utility": {
        "utility": "utility",
    },
}

# Calls that ThreadSanitizer has to be told about; tsan_mutex.cc stands in for them.
_TSAN_WRAPPED = [
    "5Mutex4LockEv",
    "5Mutex10ReaderLockEv",
    "5Mutex7TryLockEv",
    "5Mutex13ReaderTryLockEv",
    "5Mutex6UnlockEv",
    "5Mutex12ReaderUnlockEv",
    "5Mutex8LockWhenERKNS0_9ConditionE",
    "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE",
    "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE",
    "5Mutex5AwaitERKNS0_9ConditionE",
    "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE",
    "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE",
    "7CondVar4WaitEPNS0_5MutexE",
    "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE",
    "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE",
    "15BlockingCounter14DecrementCountEv",
    "15BlockingCounter4WaitEv",
    "12Notification6NotifyEv",
    "6Status15UnrefNonInlinedEm",
]

# The same, of const functions.
_TSAN_WRAPPED_CONST = [
    "12Notification19WaitForNotificationEv",
    "12Notification30WaitForNotificationWithTimeoutENS0_8DurationE",
    "12Notification31WaitForNotificationWithDeadlineENS0_4TimeE",
]

_TSAN_BUILD = """
config_setting(
    name = "tsan",
    values = {"copt": "-fsanitize=thread"},
)

cc_library(
    name = "tsan_mutex",
    srcs = ["tsan_mutex.cc"],
    linkopts = %s,
    alwayslink = True,
)
"""

def _read_pkg_config(repository_ctx, path):
    """Returns (names of the libraries it requires, whether it has an archive of its own)."""
    requires = []
    archive = False
    name = path.basename[:-len(".pc")]
    for line in repository_ctx.read(path).split("\n"):
        if line.startswith("Requires:"):
            for item in line[len("Requires:"):].split(","):
                required = item.strip().split(" ")[0]
                if required:
                    requires.append(required)
        elif line.startswith("Libs:"):
            archive = "-l" + name in line.split(" ")
    return requires, archive

def _debian_absl_impl(repository_ctx):
    require_file(repository_ctx, "/usr/include/absl/base/config.h", "libabsl-dev")
    directory = require_library(repository_ctx, "libabsl_base.a", "libabsl-dev").dirname
    build = ["package(default_visibility = [\"//:__subpackages__\"])\n"]
    known = {}
    for path in directory.get_child("pkgconfig").readdir():
        name = path.basename
        if not name.startswith("absl_") or not name.endswith(".pc"):
            continue
        name = name[:-len(".pc")]
        known[name] = True
        requires, archive = _read_pkg_config(repository_ctx, path)
        srcs = []
        if archive:
            file = "lib/lib%s.a" % name
            repository_ctx.symlink(require_library(repository_ctx, "lib%s.a" % name, "libabsl-dev"), file)
            srcs = [file]
        deps = repr([":" + required for required in requires])
        if name == "absl_synchronization":
            deps += " + select({\":tsan\": [\":tsan_mutex\"], \"//conditions:default\": []})"
        build.append("cc_library(\n    name = \"%s\",\n    srcs = %s,\n    linkopts = [\"-pthread\"],\n    deps = %s,\n)\n" % (
            name,
            repr(srcs),
            deps,
        ))
    repository_ctx.symlink(repository_ctx.attr._tsan_mutex, "tsan_mutex.cc")
    build.append(_TSAN_BUILD % repr(["-Wl,--wrap=_ZN4absl7debian3" + symbol for symbol in _TSAN_WRAPPED] +
                                     ["-Wl,--wrap=_ZNK4absl7debian3" + symbol for symbol in _TSAN_WRAPPED_CONST]))
    repository_ctx.file("BUILD.bazel", "\n".join(build))

    for package, targets in _LABELS.items():
        build = ["package(default_visibility = [\"//visibility:public\"])\n"]
        for target, name in targets.items():
            if "absl_" + name not in known:
                fail_missing(repository_ctx, "pkgconfig/absl_%s.pc" % name, "libabsl-dev")
            build.append("alias(\n    name = \"%s\",\n    actual = \"//:absl_%s\",\n)\n" % (target, name))
        repository_ctx.file("absl/%s/BUILD.bazel" % package, "\n".join(build))

debian_absl = repository_rule(
    implementation = _debian_absl_impl,
    attrs = {"_tsan_mutex": attr.label(default = "//third_party:tsan_mutex.cc", allow_single_file = True)},
    local = True,
)
