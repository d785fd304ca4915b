//===- ac-halide-generate.cpp - Kernels by Halide -------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   ac-halide-generate REQUESTS.json
//
// REQUESTS.json is an array of {"entry": name, "output": path, "description": {...}}, see
// lib/Kernels/KernelDescription.h. Each kernel becomes an object file with the function `entry`, which appears by a
// rename once it is complete. What goes wrong is one line `error: ...` a kernel, and exit status 1. The compiler calls
// this program; it is a process of its own so that Halide's LLVM stays out of the compiler, whatever happens in it.
//
//===----------------------------------------------------------------------===//
#include "Description.h"
#include "HalideRuntime.h"
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <unistd.h>

using namespace accordion;

// Compiled code fills these (lib/Kernels/HalideCall.cpp).
static_assert(sizeof(halide_buffer_t) == 56 && offsetof(halide_buffer_t, host) == 16 &&
              offsetof(halide_buffer_t, type) == 32 && offsetof(halide_buffer_t, dimensions) == 36 &&
              offsetof(halide_buffer_t, dim) == 40);
static_assert(sizeof(halide_dimension_t) == 16 && offsetof(halide_dimension_t, extent) == 4 &&
              offsetof(halide_dimension_t, stride) == 8);

static constexpr int kVersion = 1;

static void generate(const Json &request) {
  const Json &description = request.at("description");
  if (int version = description.at("version"); version != kVersion)
    throw std::runtime_error("the description has version " + std::to_string(version) + ", expected " +
                             std::to_string(kVersion));
  Machine machine = readMachine(description);
  std::string compute = description.at("compute");
  Kernel kernel;
  if (compute == "matrix_product")
    kernel = makeMatrixProduct(description, machine);
  else if (compute == "depthwise_convolution")
    kernel = makeDepthwiseConvolution(description, machine);
  else
    throw std::runtime_error("cannot compute '" + compute + "'");
  std::string output = request.at("output"), partial = output + "." + std::to_string(getpid()) + ".o";
  kernel.result.compile_to_object(partial, kernel.arguments, request.at("entry"), machine.target);
  if (std::rename(partial.c_str(), output.c_str()) != 0) {
    std::remove(partial.c_str());
    throw std::runtime_error("cannot write '" + output + "'");
  }
}

int main(int argc, char **argv) {
  if (argc != 2) {
    // The version is also why another Halide makes another program, and with it other entries of the cache.
    std::fprintf(stderr, "usage: ac-halide-generate REQUESTS.json (Halide %d.%d.%d)\n", HALIDE_VERSION_MAJOR,
                 HALIDE_VERSION_MINOR, HALIDE_VERSION_PATCH);
    return 2;
  }
  std::mutex mutex;
  bool failed = false;
  auto report = [&](const std::string &what) {
    std::lock_guard<std::mutex> lock(mutex);
    // Halide's messages have several lines.
    std::string line = what.substr(0, what.find_last_not_of("\n") + 1);
    for (char &c : line)
      c = c == '\n' ? ' ' : c;
    std::fprintf(stderr, "error: %s\n", line.c_str());
    failed = true;
  };
  Json requests;
  try {
    std::ifstream file(argv[1]);
    if (!file)
      throw std::runtime_error("cannot read '" + std::string(argv[1]) + "'");
    requests = Json::parse(file);
    if (!requests.is_array())
      throw std::runtime_error("'" + std::string(argv[1]) + "' holds no array of requests");
  } catch (const std::exception &error) {
    report(error.what());
    return 1;
  }
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i; (i = next++) < requests.size();)
      try {
        generate(requests[i]);
      } catch (const Halide::Error &error) { // which is no std::exception
        report(error.what());
      } catch (const std::exception &error) {
        report(error.what());
      }
  };
  std::vector<std::thread> others;
  size_t threads = std::min<size_t>(std::max(1u, std::thread::hardware_concurrency()), requests.size());
  while (others.size() + 1 < threads)
    others.emplace_back(work);
  work();
  for (std::thread &other : others)
    other.join();
  return failed;
}
