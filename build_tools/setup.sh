#!/bin/sh
# Installs what the build needs and does not find; a second call finds everything and does nothing.
#
#   Debian packages          build_tools/debian-packages.txt, through apt-get (sudo when not root)
#   build/deps/venv          Python packages of build_tools/requirements.txt
#   build/deps/onnx          the ONNX C++ library, built from its source distribution on PyPI
#   build/deps/halide        Halide's C++ SDK, from its wheel on PyPI (build_tools/requirements-halide.txt)
#
# Downloads and the built library are kept in ~/.cache/accordion too where that can be written. Set ACCORDION_NO_APT=1
# to leave the system's packages alone, ACCORDION_NO_HALIDE=1 to leave out Halide.
set -eu
cd "$(dirname "$0")/.."
tools=$PWD/build_tools
deps=$PWD/build/deps
mkdir -p "$deps"

say() { printf '%s\n' "setup: $*"; }
fail() { printf '%s\n' "setup: error: $*" >&2; exit 1; }

# ---------------------------------------------------------------- Debian packages
is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=
if [ -z "${ACCORDION_NO_APT:-}" ]; then
  command -v apt-get >/dev/null ||
    fail "this is no Debian; install what build_tools/debian-packages.txt names and set ACCORDION_NO_APT=1"
  for package in $(sed 's/#.*//' "$tools/debian-packages.txt"); do
    is_installed "$package" || missing="$missing $package"
  done
fi
if [ -n "$missing" ]; then
  as_root=
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "not root and no sudo: as root, run: apt-get install$missing"
    say "not root: using sudo for apt-get"
    as_root=sudo
  fi
  say "installing$missing"
  $as_root apt-get update -qq
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 $missing >"$deps/apt.log" 2>&1 || {
    tail -n 20 "$deps/apt.log" >&2
    fail "apt-get failed; LLVM 22 needs Debian 12 (bookworm) with its security suite among the sources"
  }
fi

# ---------------------------------------------------------------- Python packages
venv=$deps/venv
requirements=$tools/requirements.txt
key=$( (python3 --version; cat "$requirements") | sha256sum | cut -c1-16)
if [ ! -x "$venv/bin/python" ] || [ "$(cat "$venv/.key" 2>/dev/null)" != "$key" ]; then
  say "making a virtual environment in build/deps/venv"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$requirements"
  echo "$key" >"$venv/.key"
fi

# ---------------------------------------------------------------- Halide
# The wheel is used as a C++ SDK: 66 MB to fetch, 168 MB unpacked. What it needs as a Python package is not wanted.
halide=$deps/halide
requirements=$tools/requirements-halide.txt
key=$( (python3 --version; cat "$requirements") | sha256sum | cut -c1-16)
if [ -z "${ACCORDION_NO_HALIDE:-}" ] && [ "$(cat "$halide/.key" 2>/dev/null)" != "$key" ]; then
  say "installing Halide in build/deps/halide"
  rm -rf "$halide"
  if "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --only-binary :all: \
    --target "$halide" -r "$requirements" >"$deps/halide.log" 2>&1; then
    echo "$key" >"$halide/.key"
  else
    rm -rf "$halide"
    say "Halide has no wheel for this machine (build/deps/halide.log); --kernels=halide will not be there"
  fi
fi

# ---------------------------------------------------------------- the ONNX C++ library
version=1.23.2
hash=008cb0467b2bbee41448acc7da8b6f4e704624cb0d327a2d5adafc7ce19bc5b8
flags="-DCMAKE_BUILD_TYPE=Release -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_SHARED_LIBS=OFF -DONNX_ML=ON
  -DONNX_BUILD_PYTHON=OFF -DBUILD_ONNX_PYTHON=OFF -DONNX_USE_PROTOBUF_SHARED_LIBS=OFF -DONNX_DISABLE_EXCEPTIONS=OFF"
onnx=$deps/onnx
key=$( (echo "$hash $flags"; clang++-22 --version; protoc --version; uname -m) | sha256sum | cut -c1-16)

cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/accordion
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || cache=

has_hash() { echo "$hash  $1" | sha256sum --check --status 2>/dev/null; }

fetch_onnx() { # fetch_onnx DIRECTORY: leaves the source distribution there
  if [ -n "$cache" ] && [ -f "$cache/onnx-$version.tar.gz" ] && has_hash "$cache/onnx-$version.tar.gz"; then
    cp "$cache/onnx-$version.tar.gz" "$1/"
    return
  fi
  # pip runs the package's own build backend to read its metadata, which the environment holds already.
  PATH=$venv/bin:$PATH "$venv/bin/python" -m pip download -q --disable-pip-version-check --no-deps \
    --no-binary :all: --no-build-isolation -d "$1" "onnx==$version"
  has_hash "$1/onnx-$version.tar.gz" || fail "onnx-$version.tar.gz has another sha256 than $hash"
  [ -z "$cache" ] || cp "$1/onnx-$version.tar.gz" "$cache/" || true
}

if [ "$(cat "$onnx/.key" 2>/dev/null)" != "$key" ]; then
  work=$deps/onnx-work
  rm -rf "$work"
  mkdir -p "$work/install"
  if [ -n "$cache" ] && [ -f "$cache/onnx-$version-$key.tar" ] && tar -xf "$cache/onnx-$version-$key.tar" -C "$work/install"; then
    say "taking the ONNX library from $cache"
  else
    say "building the ONNX library (2 to 4 minutes on two cores); log in build/deps/onnx.log"
    fetch_onnx "$work"
    tar -xzf "$work/onnx-$version.tar.gz" -C "$work"
    {
      PATH=$venv/bin:$PATH CC=clang-22 CXX=clang++-22 cmake -G Ninja -S "$work/onnx-$version" -B "$work/build" $flags \
        -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
        -DCMAKE_INSTALL_PREFIX="$work/install" &&
        ninja -C "$work/build" install
    } >"$deps/onnx.log" 2>&1 || {
      tail -n 30 "$deps/onnx.log" >&2
      fail "the ONNX library does not build"
    }
    if [ -n "$cache" ]; then # written aside and renamed, so that two set-ups at a time do no harm
      tar -cf "$cache/onnx.$$" -C "$work/install" . && mv "$cache/onnx.$$" "$cache/onnx-$version-$key.tar" || rm -f "$cache/onnx.$$"
    fi
  fi
  rm -rf "$onnx"
  mv "$work/install" "$onnx"
  echo "$key" >"$onnx/.key"
  rm -rf "$work"
fi
