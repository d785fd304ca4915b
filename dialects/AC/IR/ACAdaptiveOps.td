//===- ACAdaptiveOps.td - Decisions, and work that hangs on them -*- tablegen -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two kinds of operations. Decisions are ordinary values: `ac.budget` is a number the user sets per run, `ac.decide` a
// stop rule over scores, `ac.route` a routing rule over scores. Work that hangs on a decision wraps ordinary operations
// in regions: `ac.masked_rows`, `ac.learner_chain` and `ac.moe_dispatch` for rows, `ac.skip` and `ac.exit` for blocks,
// `ac.halting_loop` for iterations. Any decision can steer any work.
//
// A row is what all dimensions but the last address; a decision for each row has a last dimension of one (or one for each
// expert), and the rank of the rows.
//
//===----------------------------------------------------------------------===//
#ifndef AC_ADAPTIVE_OPS
#define AC_ADAPTIVE_OPS

include "mlir/IR/EnumAttr.td"

//===----------------------------------------------------------------------===//
// Decisions
//===----------------------------------------------------------------------===//

def AC_BudgetOp : AC_Op<"budget", [Pure]> {
  let summary = "A number that the user of the binary sets for a run";
  let description = [{
    The value of the run-time parameter `name`: what `--budget NAME=V`, the C API or Python set, else `initial`. Values
    outside `[least, most]` are refused before the run. Operations with one name are one parameter.

    - (budget_c1) the result has one element, of type f32 or i64.
    - (budget_c2) `least <= initial <= most`, none of them NaN.
    - (budget_c3) the name is not empty and holds letters, digits, `.`, `_`, `-`, `/` and `:` only.

    ```mlir
    %threshold = ac.budget "exit.3.confidence" = 0.9 in [0.0, 1.0] : tensor<f32>
    ```
  }];
  let arguments = (ins StrAttr:$name, F64Attr:$initial, F64Attr:$least, F64Attr:$most);
  let results = (outs AnyStaticShapeTensor:$value);
  let assemblyFormat = [{
    $name `=` $initial `in` ` ` `[` $least `,` $most `]` attr-dict `:` type($value)
  }];
  let hasVerifier = 1;
}

def AC_StopRule : I32EnumAttr<"StopRule", "What is compared with the threshold of ac.decide", [
  I32EnumAttrCase<"Value", 0, "value">,            // the score itself; cumulative halting probabilities, counts
  I32EnumAttrCase<"Confidence", 1, "confidence">,  // the largest score of a row
  I32EnumAttrCase<"Margin", 2, "margin">,          // the largest score less the second largest
  I32EnumAttrCase<"Entropy", 3, "entropy">,        // -sum p log p of a row of probabilities; stops when it is small
  I32EnumAttrCase<"Change", 4, "change">           // |x - previous| / |previous| of a row; stops when it is small
]> {
  let cppNamespace = "::mlir::ac";
  let genSpecializedAttr = 0;
}
def AC_StopRuleAttr : EnumAttr<AC_Dialect, AC_StopRule, "stop_rule"> {
  let assemblyFormat = "$value";
}

def AC_Granularity : I32EnumAttr<"Granularity", "For what ac.decide decides", [
  I32EnumAttrCase<"Row", 0, "row">,       // each row for itself
  I32EnumAttrCase<"Sample", 1, "sample">, // rows with the same first index together: all must agree
  I32EnumAttrCase<"Batch", 2, "batch">    // all rows together
]> {
  let cppNamespace = "::mlir::ac";
  let genSpecializedAttr = 0;
}
def AC_GranularityAttr : EnumAttr<AC_Dialect, AC_Granularity, "granularity"> {
  let assemblyFormat = "$value";
}

def AC_DecideOp : AC_Op<"decide", [Pure]> {
  let summary = "Whether to stop, by a rule over scores";
  let description = [{
    For each row of `scores`: `value >= threshold` for the rules `value` (a last dimension of one), `confidence` (the
    largest score) and `margin` (largest less second largest); `value <= threshold` for `entropy` (`-sum p log p`, with
    `0 log 0 = 0`) and `change` (Euclidean distance from `previous` over the length of `previous`, as
    `distance <= threshold * length`, so that a state of zeros is fixed). `strict` leaves out equality. A NaN among the
    scores of a row, or as the threshold, never stops. The margin of a single score is infinite. Scores of 16 bits are
    computed with and compared in f32. With `per sample` or `per batch` the rows that decide together stop when all of
    them would; no rows at all stop.

    - (decide_c1) the scores are a ranked floating-point tensor of rank one or more; `value` has a last dimension of one,
      and may be of signed integers (counts).
    - (decide_c2) the threshold is one element of the type of the scores.
    - (decide_c3) `previous` is there, with the type of the scores, for the rule `change` and for no other.
    - (decide_c4) the result is i1: `[..., 1]` of the rank of the scores per row, `[n, 1, ..., 1]` per sample, `[1, ..., 1]`
      per batch.

    ```mlir
    %stop = ac.decide confidence of %p against %t per batch : tensor<?x10xf32>, tensor<f32> -> tensor<1x1xi1>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$scores, AnyRankedTensor:$threshold, Optional<AnyRankedTensor>:$previous,
                       AC_StopRuleAttr:$rule, AC_GranularityAttr:$granularity, UnitAttr:$strict);
  let results = (outs AnyRankedTensor:$stop);
  let assemblyFormat = [{
    $rule `of` $scores (`from` $previous^)? (`strict` $strict^)? `against` $threshold
    `per` $granularity attr-dict
    `:` type($scores) (`from` type($previous)^)? `,` type($threshold) `->` type($stop)
  }];
  let hasVerifier = 1;
}

def AC_RouteRule : I32EnumAttr<"RouteRule", "How ac.route chooses experts", [
  I32EnumAttrCase<"TopK", 0, "top_k">,                // the k largest scores of a row
  I32EnumAttrCase<"TopP", 1, "top_p">,                // the smallest set of largest probabilities that reaches p
  I32EnumAttrCase<"ExpertChoice", 2, "expert_choice">,// each expert takes the k rows that score it highest
  I32EnumAttrCase<"ReLU", 3, "relu">,                 // scores above zero
  I32EnumAttrCase<"Threshold", 4, "threshold">        // scores at or above a number
]> {
  let cppNamespace = "::mlir::ac";
  let genSpecializedAttr = 0;
}
def AC_RouteRuleAttr : EnumAttr<AC_Dialect, AC_RouteRule, "route_rule"> {
  let assemblyFormat = "$value";
}

def AC_RouteWeights : I32EnumAttr<"RouteWeights", "The weights of chosen experts", [
  I32EnumAttrCase<"Scores", 0, "scores">,         // the scores themselves
  I32EnumAttrCase<"Softmax", 1, "softmax">,       // softmax over all experts, as it is
  I32EnumAttrCase<"Normalized", 2, "normalized">, // softmax over the chosen ones
  I32EnumAttrCase<"Sigmoid", 3, "sigmoid">,       // sigmoid of the scores
  I32EnumAttrCase<"One", 4, "one">
]> {
  let cppNamespace = "::mlir::ac";
  let genSpecializedAttr = 0;
}
def AC_RouteWeightsAttr : EnumAttr<AC_Dialect, AC_RouteWeights, "route_weights"> {
  let assemblyFormat = "$value";
}

def AC_RouteOp : AC_Op<"route", [AttrSizedOperandSegments, Pure]> {
  let summary = "Which experts a row goes through, and their weights";
  let description = [{
    `weights[..., e]` is exactly zero where the row did not choose expert `e`. `limit` is k for `top_k` and
    `expert_choice` (i64; below zero it counts as zero, above the number of experts or rows as that), p for `top_p`, the
    number for `threshold`; `relu` has none. `top_p` takes the softmax over all experts as their probabilities. Of equal
    scores the one with the lower index wins, or with `last_wins` the higher. A NaN score counts as minus infinity, and an
    expert with a score of minus infinity is not chosen; a NaN limit chooses none.

    `bias` is added to the scores for the choice (of `top_p` for its probabilities, too), not for the weights (loss-free
    balancing). `capacity` (0: none) is the most rows that an expert takes, in order of rows; what comes later is dropped:
    its weight is zero, and the other weights of the row are what they were.

    What a row gets depends on that row alone, but for `expert_choice` and `capacity`. Choosing costs the square of the
    number of experts for each row, and for `expert_choice` as many passes over the scores as they have bits.

    - (route_c1) scores and weights are floating-point tensors of one type and rank two or more.
    - (route_c2) `limit` is there unless the rule is `relu`, with one element: i64 for `top_k` and `expert_choice`, else of
      the type of the scores.
    - (route_c3) the capacity is not negative.
    - (route_c4) the bias has the last dimension of the scores as its only one.

    ```mlir
    %w = ac.route top_k of %scores limit %k weights normalized : tensor<?x8xf32>, tensor<i64> -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$scores, Optional<AnyRankedTensor>:$limit, Optional<AnyRankedTensor>:$bias,
                       AC_RouteRuleAttr:$rule, AC_RouteWeightsAttr:$kind,
                       DefaultValuedAttr<I64Attr, "0">:$capacity, UnitAttr:$last_wins);
  let results = (outs AnyRankedTensor:$weights);
  let assemblyFormat = [{
    $rule `of` $scores (`limit` $limit^)? (`bias` $bias^)? `weights` $kind
    (`capacity` $capacity^)? (`last_wins` $last_wins^)? attr-dict
    `:` type($scores) (`,` type($limit)^)? (`bias` type($bias)^)? `->` type($weights)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Work for rows
//===----------------------------------------------------------------------===//

def AC_MaskedRowsOp : AC_Op<"masked_rows", [AttrSizedOperandSegments, RecursiveMemoryEffects, RecursivelySpeculatable]> {
  let summary = "Runs its body for the rows whose mask is not zero";
  let description = [{
    A row is what all dimensions but the last address. Where a row's mask is not zero (NaN is not), its results are what
    the body makes of the same row of `rows`; elsewhere they are the rows of `otherwise`, or zero without it. The body
    treats rows independently: it holds elementwise operations, products with matrices from outside and normalisations of
    the last dimension.

    This is the form of a learner or an expert that an exporter ran for every token and multiplied by a mask. Rows that
    are masked out are not computed, which assumes that they would have been finite: `0 * inf` would be NaN.

    `dense` asks for the reference lowering: every row is computed, then selected.

    - (masked_rows_c1) the last dimension of the mask is one, and mask, rows and results have the same rank.
    - (masked_rows_c2) the body takes the types of the rows and yields the types of the results.
    - (masked_rows_c3) `otherwise` is left out or has the types of the results.

    ```mlir
    %y = ac.masked_rows %mask : tensor<?x1xf32> rows(%x : tensor<?x64xf32>) {
    ^bb0(%row: tensor<?x64xf32>):
      %0 = "onnx.MatMul"(%row, %w) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
      ac.yield %0 : tensor<?x32xf32>
    } -> tensor<?x32xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$mask, Variadic<AnyRankedTensor>:$rows, Variadic<AnyRankedTensor>:$otherwise,
                       UnitAttr:$dense);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    (`dense` $dense^)? $mask `:` type($mask) `rows` `(` ($rows^ `:` type($rows))? `)`
    (`otherwise` `(` $otherwise^ `:` type($otherwise) `)`)? attr-dict-with-keyword $body
    `->` type($results)
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1; // masked_rows_c2
  let hasCanonicalizer = 1;
}

def AC_LearnerChainOp : AC_Op<"learner_chain", [AttrSizedOperandSegments, RecursiveMemoryEffects, RecursivelySpeculatable]> {
  let summary = "The sum of as many learners as each row asks for";
  let description = [{
    An adaptive computation module: `result[r] = residual[r] + sum over n < k[r] of learner_n(rows[r])`, where `k` is
    clamped to `[min_k, N]` and N is the number of regions. Learners are summed in their order. What a row gets depends on
    that row alone. A learner treats rows independently, as the body of `ac.masked_rows` does, and rows that do not reach
    it are not computed: a learner that no row reaches costs nothing, its weights are not read.

    `dense` asks for the reference lowering: every learner for every row, then select and add.

    - (learner_chain_c1) `k` is an integer tensor whose last dimension is one, with the rank of rows and result.
    - (learner_chain_c2) there is at least one learner; each takes the types of the rows and yields one value of the
      type of the result.
    - (learner_chain_c3) `0 <= min_k <= N`.
    - (learner_chain_c4) the residual has the type of the result.

    ```mlir
    %y = ac.learner_chain %k : tensor<?x1xi64> rows(%x : tensor<?x64xf32>) residual(%x : tensor<?x64xf32>) learner {
    ^bb0(%row: tensor<?x64xf32>):
      %0 = "onnx.MatMul"(%row, %w) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
      ac.yield %0 : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$k, Variadic<AnyRankedTensor>:$rows, Optional<AnyRankedTensor>:$residual,
                       DefaultValuedAttr<I64Attr, "0">:$min_k, UnitAttr:$dense);
  let results = (outs AnyRankedTensor:$result);
  let regions = (region VariadicRegion<SizedRegion<1>>:$learners);
  let assemblyFormat = [{
    (`dense` $dense^)? $k `:` type($k) `rows` `(` ($rows^ `:` type($rows))? `)`
    (`residual` `(` $residual^ `:` type($residual) `)`)? (`min` $min_k^)?
    attr-dict-with-keyword custom<Branches>($learners, "\"learner\"") `->` type($result)
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1; // learner_chain_c2
  let hasCanonicalizer = 1;
}

def AC_MoeDispatchOp : AC_Op<"moe_dispatch", [RecursiveMemoryEffects, RecursivelySpeculatable]> {
  let summary = "The weighted sum of the experts that each row goes through";
  let description = [{
    `result[r] = sum over e with weights[r, e] != 0 of weights[r, e] * expert_e(rows[r])`, in the order of the experts; NaN
    is not zero. Weights usually come from `ac.route`. An expert treats rows independently; rows that it does not get are not
    computed, and an expert that no row chose costs nothing.

    `dense` asks for the reference lowering: every expert for every row, then select, scale and add.

    - (moe_dispatch_c1) the weights are floating-point, their last dimension is the number of regions, and weights, rows
      and result have one rank of two or more.
    - (moe_dispatch_c2) there is at least one expert; each takes the types of the rows and yields one value of the type of
      the result.

    ```mlir
    %y = ac.moe_dispatch %w : tensor<?x1xf32> rows(%x : tensor<?x64xf32>) expert {
    ^bb0(%row: tensor<?x64xf32>):
      %0 = "onnx.MatMul"(%row, %m) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
      ac.yield %0 : tensor<?x64xf32>
    } -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$weights, Variadic<AnyRankedTensor>:$rows, UnitAttr:$dense);
  let results = (outs AnyRankedTensor:$result);
  let regions = (region VariadicRegion<SizedRegion<1>>:$experts);
  let assemblyFormat = [{
    (`dense` $dense^)? $weights `:` type($weights) `rows` `(` ($rows^ `:` type($rows))? `)`
    attr-dict-with-keyword custom<Branches>($experts, "\"expert\"") `->` type($result)
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1; // moe_dispatch_c2
  let hasCanonicalizer = 1;
}

//===----------------------------------------------------------------------===//
// Work for blocks and iterations
//===----------------------------------------------------------------------===//

def AC_KVPolicy : I32EnumAttr<"KVPolicy", "What becomes of the caches of layers behind an exit", [
  I32EnumAttrCase<"None", 0, "none">,          // no caches are behind the exit
  I32EnumAttrCase<"Propagate", 1, "propagate">,// the state at the exit is projected to keys and values of the rest
  I32EnumAttrCase<"Forbid", 2, "forbid">       // the exit is not taken where a cache that is read would stay behind
]> {
  let cppNamespace = "::mlir::ac";
  let genSpecializedAttr = 0;
}
def AC_KVPolicyAttr : EnumAttr<AC_Dialect, AC_KVPolicy, "kv_policy"> {
  let assemblyFormat = "$value";
}

def AC_ExitOp : AC_Op<"exit", [RecursiveMemoryEffects]> {
  let summary = "Ends a computation early";
  let description = [{
    Where `stop` holds the results are those of `early`, and nothing of `rest` runs; else those of `rest`.

    `kv` says what becomes of key/value caches that `rest` would have extended. The results behind the first are caches
    then. With `propagate` it is `early` that extends them, with keys and values made from the state at the exit; it is
    an ordinary region, and nothing more is asked of this operation. With `forbid` a cache that is read must be complete:
    if any result behind the first has a user, the exit is never taken, and a caller who wants nothing but the first, as
    in scoring or classifying a text, exits.

    `dense` asks for the reference lowering: both regions run, then select.

    - (exit_c1) `stop` is one element of type i1.
    - (exit_c2) both regions take nothing and yield values of the types of the results.

    ```mlir
    %y = ac.exit %stop : tensor<1x1xi1> early {
      ac.yield %answer : tensor<?x10xf32>
    } rest {
      %0 = "onnx.MatMul"(%h, %w) : (tensor<?x64xf32>, tensor<64x10xf32>) -> tensor<?x10xf32>
      ac.yield %0 : tensor<?x10xf32>
    } -> tensor<?x10xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$stop, DefaultValuedAttr<AC_KVPolicyAttr, "::mlir::ac::KVPolicy::None">:$kv,
                       UnitAttr:$dense);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$early, SizedRegion<1>:$rest);
  let assemblyFormat = [{
    (`dense` $dense^)? $stop `:` type($stop) (`kv` $kv^)? attr-dict-with-keyword `early` $early `rest` $rest
    (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    /// False if a cache is read that `kv` does not let stay behind.
    bool mayExit() {
      return getKv() != KVPolicy::Forbid ||
             ::llvm::all_of(getResults().drop_front(getNumResults() == 0 ? 0 : 1),
                            [](::mlir::Value cache) { return cache.use_empty(); });
    }
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1; // exit_c2
  let hasCanonicalizer = 1;
}

def AC_SkipOp : AC_Op<"skip", [RecursiveMemoryEffects]> {
  let summary = "A block that runs or is passed by";
  let description = [{
    The results are those of the body where `active` holds, else the operands `otherwise`: a residual block that adds
    nothing, a layer that is passed by. Nothing of the body runs when it is skipped.

    `dense` asks for the reference lowering: the body runs, then select.

    - (skip_c1) `active` is one element of type i1.
    - (skip_c2) the body takes nothing and yields values of the types of the results, which are those of `otherwise`.

    ```mlir
    %y = ac.skip %active : tensor<i1> otherwise(%x : tensor<?x64xf32>) {
      %0 = "onnx.MatMul"(%x, %w) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
      ac.yield %0 : tensor<?x64xf32>
    }
    ```
  }];
  let arguments = (ins AnyRankedTensor:$active, Variadic<AnyRankedTensor>:$otherwise, UnitAttr:$dense);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    (`dense` $dense^)? $active `:` type($active) `otherwise` `(` ($otherwise^ `:` type($otherwise))? `)`
    attr-dict-with-keyword $body (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1; // skip_c2
  let hasCanonicalizer = 1;
}

def AC_HaltingLoopOp : AC_Op<"halting_loop", [RecursiveMemoryEffects]> {
  let summary = "Iterates the rows that have not halted";
  let description = [{
    Carries values from iteration to iteration. `running` computes from the iteration's number and the carried values
    which rows go on; the loop ends when none does or after `limit` iterations. It may yield besides whether another
    iteration follows an iteration at all, which is not asked before the first one. `body` computes the next values. Of the
    carried values, those marked in `rows` have rows of their own: where a row does not run, its carried value stays
    as it is, to the bit, whatever the body makes of it. The others take what the body yields. With `at_least_once` the
    first iteration is made whether rows run or not, unless the limit is below one: an ONNX `Loop` tests behind its body,
    and what it counts may be wanted.

    The halting rule is what the regions say; `ac.decide` has the usual ones. Adaptive computation time carries the
    cumulated probability, its remainder and the number of steps, and sums or interpolates states as it pleases; an
    a-priori count is a `limit` and a mask that is true.

    `dense` asks for the reference lowering: every row is computed in every iteration, then selected, up to `limit`; an
    iteration in which no row runs then changes nothing. `self_masked` says that the `ac.masked_rows` of the body whose `otherwise` is a carried value are under the mask of
    `running`, so that what they leave alone need not be selected again.

    - (halting_loop_c1) the limit is one element of type i64.
    - (halting_loop_c2) `running` takes the iteration (`tensor<i64>`) and the carried values and yields one i1 tensor whose
      last dimension is one, and perhaps one element of type i1.
    - (halting_loop_c3) `body` takes the same and yields values of the types of the carried ones, which are the results.
    - (halting_loop_c4) `rows` has an entry for each carried value; those that are set have the leading dimensions of the
      mask, and its rank or, where the mask's last dimension is left out, one less.

    ```mlir
    %state = ac.halting_loop limit(%limit : tensor<i64>) init(%x, %h : tensor<?x64xf32>, tensor<?x1xf32>) rows [true, true]
        running {
    ^bb0(%i: tensor<i64>, %a: tensor<?x64xf32>, %halt: tensor<?x1xf32>):
      %go = onnx.Less(%halt, %t) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
      ac.yield %go : tensor<?x1xi1>
    } body { ... }
    ```
  }];
  let arguments = (ins AnyRankedTensor:$limit, Variadic<AnyRankedTensor>:$init, DenseBoolArrayAttr:$rows, UnitAttr:$dense,
                       UnitAttr:$self_masked, UnitAttr:$at_least_once);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$running, SizedRegion<1>:$body);
  let assemblyFormat = [{
    (`dense` $dense^)? (`self_masked` $self_masked^)? (`at_least_once` $at_least_once^)? `limit` `(` $limit `:` type($limit) `)` `init` `(` $init `:` type($init) `)` `rows` $rows
    attr-dict-with-keyword `running` $running `body` $body (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1; // halting_loop_c2 and c3
  let hasCanonicalizer = 1;
}

//===----------------------------------------------------------------------===//
// What remains of them after lowering
//===----------------------------------------------------------------------===//

def AC_ReadBudgetOp : AC_Op<"read_budget", [Pure]> {
  let summary = "The number of a budget in this run, as a scalar";
  let description = [{
    What `ac.budget` is lowered to. `ac-bind-abi` makes it a load from the table that the runtime hands over.

    ```mlir
    %t = ac.read_budget "exit.3.confidence" = 0.9 in [0.0, 1.0] : f32
    ```
  }];
  let arguments = (ins StrAttr:$name, F64Attr:$initial, F64Attr:$least, F64Attr:$most);
  let results = (outs AnyTypeOf<[F32, I64]>:$value);
  let assemblyFormat = [{
    $name `=` $initial `in` ` ` `[` $least `,` $most `]` attr-dict `:` type($value)
  }];
}

def AC_CountOp : AC_Op<"count", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Adds to a counter of the run";
  let description = [{
    Adds `value` to counter `slot + offset` of `site`, a place in the model that decides how much is computed. An offset
    that is negative counts as zero, and past the last name is the last counter: of a halting loop, "16 steps or more".
    `kind` is the operation it was (`learner_chain`, ...), `names` its counters in order, and `flops` what one unit of each
    counter costs in floating-point operations (0: nothing, -1: not known while compiling). All operations of a site agree
    in `kind`, `names` and `flops`.

    Counter 0 counts opportunities (rows, runs, row-steps), every other one how many were taken, so that `counter 0 -
    counter i` were avoided.

    - (count_c1) `slot` is an index of `names`, and `flops` has as many entries, none below -1.
    - (count_c2) it does not stand inside of `ac.parallel`, where threads would count at the same time.

    ```mlir
    ac.count "mlp.3" 1 %rows of "learner_chain" ["rows", "learner 0"] flops [0, 4096]
    ac.count "moe.1" 1 %rows at %expert of "moe_dispatch" ["rows", "expert 0", "expert 1"] flops [0, 4096, 4096]
    ```
  }];
  let arguments = (ins StrAttr:$site, I64Attr:$slot, Index:$value, Optional<Index>:$offset, StrAttr:$kind,
                       StrArrayAttr:$names, DenseI64ArrayAttr:$flops);
  let assemblyFormat = "$site $slot $value (`at` $offset^)? `of` $kind $names `flops` $flops attr-dict";
  let hasVerifier = 1;
}

#endif // AC_ADAPTIVE_OPS
