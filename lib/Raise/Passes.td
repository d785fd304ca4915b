//===- Passes.td - The raise stage ------------------------------*- tablegen -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_PASSES
#define RAISE_PASSES

include "mlir/Pass/PassBase.td"

def RaiseUnrolledLoops : Pass<"ac-raise-unrolled-loops", "::mlir::ModuleOp"> {
  let summary = "Roll up loops whose steps share their weights and were written out one after another";
  let description = [{
    Exporters trace a Python loop over one layer into as many copies of it as there were steps. Copies are found by a
    product whose weight recurs, and by following what feeds it and what reads it in all steps at once; names and the order
    in the file do not matter. They become an `onnx.Loop` with a constant trip count and a condition that is always true.
    What a step hands to the next is carried, constants that differ from step to step are affine in the iteration number
    or gathered by it, results of all steps that are concatenated become a stacked output. The last steps may lack what
    nothing reads. Up to two steps at either end that differ from the others stay as they are.

    Leaves alone fewer than three steps, steps that do not depend on one another, steps with operations of their own, and
    steps whose results are used one by one. A remark tells for each repetition what it became or what differs.
  }];
  let dependentDialects = ["::mlir::onnx::ONNXDialect"];
}

def RaiseMaskedRows : Pass<"ac-raise-masked-rows", "::mlir::ModuleOp"> {
  let summary = "Find row-wise computations whose result is multiplied by a mask of rows";
  let description = [{
    `mask * f(x)`, where the mask has one value for a row and can be exactly zero by how it is made (a comparison, a
    one-hot code, a scatter into zeros), becomes `mask * (ac.masked_rows mask rows(x) { f })`. `f` is grown backwards
    from the product: operations that treat rows independently and are used by nothing else. It must hold a matrix
    product. `Where(mask, f(x), y)` becomes `ac.masked_rows mask rows(x) otherwise(y) { f }`, whatever `y` is.

    Leaves alone soft masks, computations with other users, and masks that broadcast over rows. A remark tells for each
    candidate what it became or what was in the way.
  }];
  let options = [Option<"dense", "dense", "bool", "false",
                        "Ask for the reference lowering of what is found: every row computed, then selected">];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

def RaiseGatheredRows : Pass<"ac-raise-gathered-rows", "::mlir::ModuleOp"> {
  let summary = "Find rows that are picked by NonZero, computed, and put back";
  let description = [{
    `ScatterND(y, i, f(Gather(x, i)), add)` with `i = NonZero(chosen)` becomes `y + ac.masked_rows chosen rows(x) { f }`;
    without `add`, `y` is what other rows are. ScatterElements along rows is the same with its indices expanded. Choices may
    come in slots, `chosen[slot, row]`, with a weight for each picked by GatherND.

    Leaves alone rows that are picked by more than a slot and a row, computations that mix rows, and those without a matrix
    product. A remark tells for each candidate what it became or what was in the way.
  }];
  let options = [Option<"dense", "dense", "bool", "false",
                        "Ask for the reference lowering of what is found: every row computed, then selected">];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

def RaiseRowSums : Pass<"ac-raise-row-sums", "::mlir::ModuleOp"> {
  let summary = "Name sums of masked rows: learner chains and expert dispatch";
  let description = [{
    A sum of `ac.masked_rows`, each alone or multiplied by its mask, becomes one operation. Where the masks compare one
    count for each row with consecutive constants it is `ac.learner_chain`, and what else is added is its residual; else
    it is `ac.moe_dispatch`, whose weights are the masks side by side. One term that is multiplied by its mask is a dispatch
    to one expert.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

def RaiseStackedRows : Pass<"ac-raise-stacked-rows", "::mlir::ModuleOp"> {
  let summary = "Take apart stacks of learners or experts that a mask selects from";
  let description = [{
    Exporters stack the answers of all learners along a new axis, multiply by a mask `[rows, N, 1]` and sum over that
    axis. `ReduceSum(Concat(Unsqueeze(v0), ...) * mask)` becomes `v0 * mask[0] + v1 * mask[1] + ...`, in which
    `ac-raise-masked-rows` finds each learner under a mask of its own. `Where(mask, stack, 0)` in place of the product
    is taken apart in the same way.

    Leaves alone masks that are never exactly zero, stacks or answers with other users, and stacks in which there is no
    matrix product to skip. A remark tells for each candidate what it became or what was in the way.
  }];
  let dependentDialects = ["::mlir::onnx::ONNXDialect"];
}

#endif // RAISE_PASSES
