//===- ONNXCoreOps.td - Ops that are no ONNX operators ---------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ONNX_CORE_OPS
#define ONNX_CORE_OPS

include "dialects/ONNX/IR/ONNXDialect.td"

def ONNX_NoValueOp : ONNX_Op<"NoValue", [Pure]> {
  let summary = "Stands for an input that the model leaves out";
  let results = (outs NoneType:$none);
}

def ONNX_YieldOp : ONNX_Op<"Yield", [Pure, ReturnLike, Terminator]> {
  let summary = "Ends a subgraph with its outputs";
  let arguments = (ins Variadic<AnyType>:$outputs);
}

def ONNX_CustomOp : ONNX_RegionOp<"Custom"> {
  let summary = "An operator of a domain that the schema registry does not know";
  let description = [{
    The node's own attributes are the op's discardable attributes, under their names. `graphs` names the regions.
  }];
  let arguments = (ins StrAttr:$domain, StrAttr:$op_type, OptionalAttr<StrArrayAttr>:$graphs,
                       Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region VariadicRegion<SizedRegion<1>>:$subgraphs);
}

#endif // ONNX_CORE_OPS
