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
           "Largest ratio of the size of the results to that of the inputs; 4-bit weights grow by eight">,
    Option<"keepQuantized", "keep-quantized", "bool", "false",
           "Leave matrices of integers of at most eight bits to `ac-fuse-dequantization`">];
  let dependentDialects = ["::mlir::onnx::ONNXDialect"];
}

def RecogniseDequantization : Pass<"ac-recognise-dequantization", "::mlir::ModuleOp"> {
  let summary = "Name dequantisation that was written out as a cast and a scale";
  let description = [{
    A constant matrix of bytes that is cast to f32, less a zero point or not, and multiplied by a constant scale is
    `DequantizeLinear`, which computes the same to the bit. Scale and zero point may be one for all, for each column or
    for each row. Leaves alone what is subtracted in eight bits, zero points that no byte holds, and other types than f32.
  }];
  let dependentDialects = ["::mlir::onnx::ONNXDialect"];
}

def FuseQuantization : Pass<"ac-fuse-quantization", "::mlir::ModuleOp"> {
  let summary = "Multiply the integers where both operands of a product are dequantised";
  let description = [{
    `MatMul` and `Gemm` of a dequantised operand with one scale by a constant matrix of bytes with one scale, or one for each
    column, become `MatMulInteger`, whose sum is exact, times both scales. The result is within three roundings of the exact
    one, whatever the depth. Leaves alone depths for which a sum may need more than 32 bits, blocks, other types than bytes and
    f32, and scales that are not constant or whose product is no normal number.
  }];
  let dependentDialects = ["::mlir::onnx::ONNXDialect"];
}

def FuseDequantization : Pass<"ac-fuse-dequantization", "::mlir::ModuleOp"> {
  let summary = "Keep the weights of products as small as they are";
  let description = [{
    `MatMul` and `Gemm` by a constant that is dequantised, also through transpositions, slices and an offset for each
    block, and `com.microsoft.MatMulNBits`, become `ac.dequantized_product`. A table of bytes is dequantised behind the
    `Gather` of its rows. Leaves alone what is not dequantised along the depth of the product or once for a column, and
    products in other types than f32.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

def FoldDecisions : Pass<"ac-fold-decisions", "::mlir::ModuleOp"> {
  let summary = "Do always or never what hangs on a constant decision";
  let description = [{
    Applies the canonicalization of the `ac` operations, and nothing else: rows whose mask is constant, learners that no
    row reaches, experts without weight, exits and blocks whose flag is known, loops that never begin. What is done
    always becomes ordinary operations, what is done never goes away. Leaves alone operations in their reference form
    (`dense`), and what would need zeros of unknown size.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

def RecogniseAttention : Pass<"ac-recognise-attention", "::mlir::ModuleOp"> {
  let summary = "Name attention that was written out as products around a softmax";
  let description = [{
    `MatMul(Softmax(scale * MatMul(q, k) + mask), v)` becomes `ac.attention`, which is computed without the whole of the
    scores. The scale may stand on the scores, the queries or the keys, and may be a division; scores may be capped by a
    tangent; a mask is added, or selects by Where. Transposes of queries, keys, values and result become orders. Heads that
    share keys may stand in five dimensions. Leaves alone scores and weights with other uses, softmaxes along another
    dimension, masks that add dimensions, products that repeat keys, and f64.
  }];
  let options = [Option<"dense", "dense", "bool", "false",
                        "Ask for the reference lowering of what is found: scores, softmax and product">];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

#endif // OPTIMIZE_PASSES
