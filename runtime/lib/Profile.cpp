//===- Profile.cpp - Where the time of a run goes ---------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Profile.h"

#include "Failure.h"
#include "Json.h"

#include <chrono>

namespace accordion {

static int64_t clockNow() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Profile::Profile() : origin(clockNow()) { events.reserve(1 << 14); }

int64_t Profile::now() const { return clockNow() - origin; }

void Profile::beginRun() {
  runBegan = now();
  node = nullptr;
}

void Profile::closeNode(int64_t end) {
  if (node)
    events.push_back({node, "node", 0, nodeBegan, end});
  node = nullptr;
}

void Profile::endRun() {
  int64_t end = now();
  std::lock_guard<std::mutex> lock(mutex);
  closeNode(end);
  events.push_back({"run", "run", 0, runBegan, end});
}

void Profile::mark(const char *newNode) {
  int64_t time = now();
  std::lock_guard<std::mutex> lock(mutex);
  closeNode(time);
  node = newNode;
  nodeBegan = time;
}

void Profile::task(int participant, int64_t began) {
  int64_t end = now();
  std::lock_guard<std::mutex> lock(mutex);
  events.push_back({node ? node : "parallel loop", "task", participant, began, end});
}

std::string Profile::json() const {
  std::string text = "{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n";
  text += "{\"name\": \"process_name\", \"ph\": \"M\", \"pid\": 1, \"args\": {\"name\": \"accordion\"}}";
  for (const Event &event : events)
    text += format(
        ",\n{\"name\": %s, \"cat\": \"%s\", \"ph\": \"X\", \"pid\": 1, \"tid\": %d, \"ts\": %.3f, \"dur\": %.3f}",
        quotedJson(event.name).c_str(), event.category, event.thread, event.begin / 1e3,
        (event.end - event.begin) / 1e3);
  return text + "\n]}\n";
}

} // namespace accordion
