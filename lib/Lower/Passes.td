//===- Passes.td - The lower stage ------------------------------*- tablegen -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_PASSES
#define LOWER_PASSES

include "mlir/Pass/PassBase.td"

def LowerONNX : Pass<"ac-lower-onnx", "::mlir::ModuleOp"> {
  let summary = "Lower ONNX operators to linalg, tensor, scf and arith";
  let description = [{
    Replaces each function of `onnx` operations by one on ranked tensors with signless elements. Shapes that are only
    known at run time are index values; subgraphs become `scf.if`, `scf.for` and `scf.while`; matrix products become
    `ac.contract`. Nodes that cannot be lowered are all reported, each with its reason.

    Function arguments and results keep `onnx.name` and `onnx.dims` and get `ac.type`, the element type with its sign.
  }];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::arith::ArithDialect",
                           "::mlir::bufferization::BufferizationDialect", "::mlir::cf::ControlFlowDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::affine::AffineDialect"];
}

#endif // LOWER_PASSES
