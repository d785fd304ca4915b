//===- Passes.td - The bufferize stage --------------------------*- tablegen -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef BUFFERIZE_PASSES
#define BUFFERIZE_PASSES

include "mlir/Pass/PassBase.td"

def PlanArena : Pass<"ac-plan-arena", "::mlir::func::FuncOp"> {
  let summary = "Give buffers of known size fixed places in one allocation";
  let description = [{
    Buffers of static size whose allocation and deallocation stand in the body of the function become views of one
    allocation. Places are chosen largest first, each at the lowest offset that is free while the buffer lives: buffers
    whose lifetimes do not meet share memory. Leaves alone buffers of dynamic size and those of loops and branches, which
    the runtime's arena serves, and buffers that the function returns.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
}

def CopyStridedResults : Pass<"ac-copy-strided-results", "::mlir::func::FuncOp"> {
  let summary = "Copy results that are not contiguous into buffers that are";
  let description = [{
    Bufferization gives the results of a function contiguous types. Where the result is a part of a larger buffer whose
    strides are not known while compiling, it casts the one to the other, which says that the strides are contiguous
    without making them so. Such a result is copied instead. Leaves alone results that are contiguous already.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
}

#endif // BUFFERIZE_PASSES
