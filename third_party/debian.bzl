"""A repository whose targets are answered by installed Debian packages.

Headers are not listed: /usr/include is one of the compiler's own directories. Archives (.a) are linked in by name from
the directory of the machine's architecture, so a target carries exact link dependencies and the hot libraries (abseil,
protobuf) are linked statically; libraries that get security updates (OpenSSL, zlib) stay shared.
"""

_LIBRARY_DIRS = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
]

def fail_missing(repository_ctx, path, package):
    fail(("\n\n@{repo} needs {path}, which is not on this machine.\n" +
          "It comes with the Debian package {package}: apt-get install {package}\n" +
          "(tools/install_dependencies in Culvert's sources installs all of them.)\n").format(
        repo = repository_ctx.name,
        path = path,
        package = package,
    ))

def require_file(repository_ctx, path, package):
    """Returns `path` as a path, or stops the build and names the package."""
    found = repository_ctx.path(path)
    if not found.exists:
        fail_missing(repository_ctx, path, package)
    return found

def require_library(repository_ctx, archive, package):
    """Returns the path of `archive` in the machine's library directory, or stops the build and names the package."""
    for directory in _LIBRARY_DIRS:
        found = repository_ctx.path(directory + "/" + archive)
        if found.exists:
            return found
    fail_missing(repository_ctx, archive, package)
    return None

def _debian_repository_impl(repository_ctx):
    for path, package in repository_ctx.attr.needs.items():
        require_file(repository_ctx, path, package)
    for archive, package in repository_ctx.attr.libraries.items():
        repository_ctx.symlink(require_library(repository_ctx, archive, package), "lib/" + archive)
    for name, source in repository_ctx.attr.files.items():
        path, package = source.split(" ")
        repository_ctx.symlink(require_file(repository_ctx, path, package), name)
    repository_ctx.symlink(repository_ctx.attr.build_template, "BUILD.bazel")

debian_repository = repository_rule(
    implementation = _debian_repository_impl,
    attrs = {
        "build_template": attr.label(mandatory = True, allow_single_file = True),
        "needs": attr.string_dict(doc = "file that must exist -> its Debian package"),
        "libraries": attr.string_dict(doc = "static archive, linked as lib/NAME -> its Debian package"),
        "files": attr.string_dict(doc = "path in the repository -> 'absolute path' and its Debian package"),
    },
    local = True,
)
