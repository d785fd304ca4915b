//===- Profile.h - Where the time of a run goes -----------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Events of the runs of one AcRun, written as a Chrome trace (chrome://tracing, Perfetto). Code compiled with marks
// tells which ONNX node it works for; without marks there are only runs and parallel loops.
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_PROFILE_H
#define AC_RUNTIME_LIB_PROFILE_H

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace accordion {

class Profile {
public:
  Profile();

  /// Nanoseconds since the profile was made.
  int64_t now() const;
  void beginRun();
  void endRun();
  /// The code that follows on the thread of the run belongs to `node`, a string of the model.
  void mark(const char *node);
  /// Thread `participant` took part in a parallel loop from `began` until now.
  void task(int participant, int64_t began);
  /// The events as JSON.
  std::string json() const;

private:
  struct Event {
    const char *name;
    const char *category;
    int thread;
    int64_t begin, end;
  };
  void closeNode(int64_t end);

  int64_t origin;
  std::mutex mutex;
  std::vector<Event> events;
  const char *node = nullptr;
  int64_t nodeBegan = 0, runBegan = 0;
};

} // namespace accordion
#endif // AC_RUNTIME_LIB_PROFILE_H
