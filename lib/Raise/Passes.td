//===- Passes.td - The raise stage ------------------------------*- tablegen -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_PASSES
#define RAISE_PASSES

include "mlir/Pass/PassBase.td"

def RaiseMaskedRows : Pass<"ac-raise-masked-rows", "::mlir::ModuleOp"> {
  let summary = "Find row-wise computations whose result is multiplied by a mask of rows";
  let description = [{
    `mask * f(x)`, where the mask has one value for a row and can be exactly zero by how it is made (a comparison, a one-hot
    code, a scatter into zeros), becomes `mask * (ac.masked_rows mask rows(x) { f })`. `f` is grown backwards from the
    product: operations that treat rows independently and are used by nothing else. It must hold a matrix product.

    Leaves alone soft masks, computations with other users, and masks that broadcast over rows. A remark tells for each
    candidate what it became or what was in the way.
  }];
  let options = [Option<"dense", "dense", "bool", "false",
                        "Ask for the reference lowering of what is found: every row computed, then selected">];
  let dependentDialects = ["::mlir::ac::ACDialect", "::mlir::onnx::ONNXDialect"];
}

#endif // RAISE_PASSES
