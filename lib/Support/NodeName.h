//===- NodeName.h - The ONNX node that something came from -------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SUPPORT_NODENAME_H
#define SUPPORT_NODENAME_H

#include "mlir/IR/Location.h"

namespace mlir::ac {

/// The name of the first ONNX node in a location; empty if there is none.
inline StringRef nodeNameOf(Location loc) {
  auto name = loc->findInstanceOf<NameLoc>();
  return name ? name.getName().getValue() : StringRef();
}

} // namespace mlir::ac

#endif // SUPPORT_NODENAME_H
