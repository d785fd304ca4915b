//===- Counters.h - Counters of what a decision let run ----------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_COUNTERS_H
#define LOWER_OPS_COUNTERS_H

#include "Lower/NodeLowering.h"

namespace mlir::ac {

/// The counters of one operation that decides. The first counts opportunities, each other how many of them were taken.
class Counters {
public:
  Counters(Node &node, StringRef kind);

  /// Adds a counter; `flops` is what one unit of it costs, -1 if that is not known.
  void add(const Twine &name, int64_t flops = 0) {
    names.push_back(name.str());
    costs.push_back(flops);
  }
  /// Emits an addition to counter `slot`, or to `slot + offset`, the last one at most.
  void count(unsigned slot, OpFoldResult value, Value offset = {}) const;

private:
  Node &node;
  StringRef kind;
  std::string site;
  SmallVector<std::string> names;
  SmallVector<int64_t> costs;
};

} // namespace mlir::ac

#endif // LOWER_OPS_COUNTERS_H
