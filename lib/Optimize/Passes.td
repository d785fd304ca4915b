//===- Passes.td - The optimize stage ---------------------------*- tablegen -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef OPTIMIZE_PASSES
#define OPTIMIZE_PASSES

include "mlir/Pass/PassBase.td"

def FoldConstants : Pass<"ac-fold-constants", "::mlir::ModuleOp"> {
  let summary = "Compute what only depends on constants";
  let description = [{
    Operations whose inputs are all constants are compiled by the stages that follow, run here, and replaced by their
    results: dequantised weights, transposed matrices, tables of positions. There is no second implementation of any
    operator to agree with. Leaves alone operations with subgraphs, results of more than `max-growth` times the size of
    their inputs (they are cheaper to compute than to store), and whatever cannot be lowered.
  }];
  let options = [
    Option<"maxGrowth", "max-growth", "int64_t", "8",
           "Largest ratio of the size of the results to that of the inputs; 4-bit weights grow by eight">];
  let dependentDialects = ["::mlir::onnx::ONNXDialect"];
}

#endif // OPTIMIZE_PASSES
