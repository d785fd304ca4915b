//===- Passes.td - The raise stage ------------------------------*- tablegen -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_PASSES
#define RAISE_PASSES

include "mlir/Pass/PassBase.td"

def ExposeBudgets : Pass<"ac-expose-budgets", "::mlir::ModuleOp"> {
  let summary = "Make run-time parameters of the numbers by which a model decides how much to compute";
  let description = [{
    | Operation | Budgets |
    |---|---|
    | `ac.learner_chain` | `learner_chain.cap` and one of its own: the most learners of a row; `learner_chain.bias`: added to the gate's logits, as often as the count that a logit stands for, where the count is an ArgMax |
    | `ac.moe_dispatch` | `k`: the most experts of a row, those with the largest weights, whose sum is kept |
    | `ac.halting_loop` | `limit`: the most iterations; `threshold`: what the running test compares with |
    | `ac.masked_rows` | the threshold of its mask, if that is a comparison with a constant |

    Budgets start as what the model says, and are then without effect. Thresholds of exits and skips become budgets where
    those are raised.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

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

def RaiseGatheredWeights : Pass<"ac-raise-gathered-weights", "::mlir::ModuleOp"> {
  let summary = "Find experts whose matrices are gathered for each row";
  let description = [{
    `ReduceSum(weights[rows, K, 1] * f(x, Gather(W, ids)))`, where `ids[rows, K]` come from TopK and `f` multiplies each
    row by a matrix of its own, becomes `ac.moe_dispatch` with one region for each matrix of `W`. The weights of a row are
    those of its choices where they belong, and exactly zero elsewhere. The sum may also be a MatMul or an Einsum.

    Leaves alone indices that are not made by TopK, rows that differ between choices, and what has users outside. A remark
    tells for each candidate what it became or what was in the way.
  }];
  let options = [Option<"dense", "dense", "bool", "false",
                        "Ask for the reference lowering of what is found: every expert for every row, then selected">];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

def RaiseBatchedExperts : Pass<"ac-raise-batched-experts", "::mlir::ModuleOp"> {
  let summary = "Find experts that one batched product computes for every row";
  let description = [{
    `ReduceSum(weights[E, rows, 1] * f(x, W))`, where `f` multiplies all rows by each matrix of `W[E, ...]` and the weights
    can be exactly zero by how they are made, becomes `ac.moe_dispatch` with one region for each expert. Products are
    MatMul or Einsum, and so may the sum be.

    Leaves alone weights that are never zero (a softmax over all experts), and what has users outside. A remark tells for
    each candidate what it became or what was in the way.
  }];
  let options = [Option<"dense", "dense", "bool", "false",
                        "Ask for the reference lowering of what is found: every expert for every row, then selected">];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

def RaiseExpertSlots : Pass<"ac-raise-expert-slots", "::mlir::ModuleOp"> {
  let summary = "Find experts with a capacity, in whose places rows are put";
  let description = [{
    `Einsum(combine[rows, E, C], f(Einsum(dispatch[rows, E, C], x)))`, where `f` multiplies what is in the places of each
    expert by its matrices, becomes `ac.moe_dispatch` whose weights are `combine` summed over places. Places that are
    empty are not computed, and neither product with a one-hot tensor is left.

    It is proven that no two rows have one place: `combine` is a sum of products with a one-hot code of a place, each a
    count (CumSum) of the rows before that chose the same expert, which starts at zero or behind the rows of another
    choice; and that what is combined was dispatched. What drops rows that come too late is one of the factors, and stays.

    Leaves alone places that are made otherwise, and what depends on the place that a row has. A remark tells for each
    candidate what it became or what was in the way.
  }];
  let options = [Option<"dense", "dense", "bool", "false",
                        "Ask for the reference lowering of what is found: every expert for every row, then selected">];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

def RaiseMoeOperator : Pass<"ac-raise-moe-operator", "::mlir::ModuleOp"> {
  let summary = "Write out com.microsoft.MoE and QMoE";
  let description = [{
    The contrib operators become `ac.route top_k` and `ac.moe_dispatch`, whose regions hold the products and the activation
    of an expert as ordinary operations on its part of the stacked weights; those of QMoE go through `DequantizeLinear`.

    Leaves alone the sparse mixer, weights of other widths than 4 and 8 bits, floats of few bits, and weights that are
    packed for another engine. A remark tells for each operator what it became or what was in the way.
  }];
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

def RaiseGroupedRows : Pass<"ac-raise-grouped-rows", "::mlir::ModuleOp"> {
  let summary = "Find mixtures of experts whose rows are sorted by expert for grouped products";
  let description = [{
    A sum over the choices of each row of what grouped products made of copies of the rows, sorted by expert and put back,
    becomes `ac.moe_dispatch`. It is proven that the order is a permutation (TopK of all choices, smallest first), that the
    group of an expert ends where the counts of the experts up to it add up to (CumSum of a scatter of ones, whatever
    conversions its indices went through: they are evaluated for each expert), that the row of a choice is its place by
    the number of choices, and that answers are put back by the inverse of the order.

    Leaves alone, with a remark, what goes on between the products along rows, and choices that no TopK made.
  }];
  let options = [Option<"dense", "dense", "bool", "false",
                        "Ask for the reference lowering of what is found: every row computed, then selected">];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

def RaiseHaltingLoops : Pass<"ac-raise-halting-loops", "::mlir::ModuleOp"> {
  let summary = "Find loops in which rows halt one by one";
  let description = [{
    An `onnx.Loop` becomes `ac.halting_loop` if a comparison of carried values says for each row whether it runs, and what
    the loop carries for a row that does not run stays as it is. Both are proven: the body is evaluated for a row that does
    not run, where masks are zero, products with them zero and selections by them the carried value. The loop's own
    condition is a conjunction of: a constant; that some row runs; that a count of the steps is below a constant, which
    becomes a limit; what is computed from carried values, which becomes a second test. A value without rows that is used
    behind the loop must be one of a loop that goes on just as long as some row runs, and is then `at_least_once`.

    Then what costs is moved to the rows that run: values for all rows that depend on the carried state alone, such as
    the keys and values that other rows attend to, are carried along and brought up to date where the state changed;
    accumulators are updated where rows run.

    Leaves alone loops with stacked outputs, those whose rows go on changing and are used, and those that stop by the number
    of the iteration. A remark tells for each loop what it became or what was in the way.
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

def RaiseExits : Pass<"ac-raise-exits", "::mlir::ModuleOp"> {
  let summary = "Find branches that end a computation early";
  let description = [{
    `If(score > threshold)` with the answer in one branch and the rest of the model in the other, the one with more matrix
    products, becomes `ac.exit`. The condition is seen through Not, Squeeze, Reshape and the like. It becomes `ac.decide`:
    by `confidence` for the largest score of a row, by `margin` for the difference of the first two of TopK, by `entropy`
    where the model defines `0 log 0`, else by `value` of the score as the model computes it; `per batch` where the least
    of all rows is compared, or whether all rows are is asked. A constant threshold becomes an `ac.budget` with that initial value.

    `NonZero(score <= threshold)`, by which models pick the samples that go on, gets the budget only.

    Leaves alone branches whose condition is no comparison of floating-point scores, those with as many products on both
    sides, and results of unknown rank. A remark tells for each candidate what it became or what was in the way.
  }];
  let options = [Option<"dense", "dense", "bool", "false",
                        "Ask for the reference lowering of what is found: both sides computed, then selected">];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

def RaiseSkips : Pass<"ac-raise-skips", "::mlir::ModuleOp"> {
  let summary = "Find blocks that run or are passed by";
  let description = [{
    `If` of which one branch only gives values that are there already, and `Where(flag, f(x), x)` with one flag for the
    whole tensor, become `ac.skip` if the block holds a matrix product. Conditions become `ac.decide` and thresholds
    budgets, as in `ac-raise-exits`; any other condition is used as it is.

    Leaves alone the last branch of a computation (an exit), a `Where` whose sides are not known to have one shape, and
    what has users outside of the block. A remark tells for each candidate what it became or what was in the way.
  }];
  let options = [Option<"dense", "dense", "bool", "false",
                        "Ask for the reference lowering of what is found: the block is computed, then selected">];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

#endif // RAISE_PASSES
